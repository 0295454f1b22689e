# The app on port 7860, with the CPU build of torch:
#   docker build -t depthmask . && docker run --rm -p 7860:7860 depthmask
# Options of `depthmask demo` go after the name: ... depthmask --auth ann:secret
FROM python:3.12-slim

# opencv-python needs libGL and glib, which slim images lack.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*

# Spaces of Hugging Face run as this user; nothing needs root.
RUN useradd --create-home --uid 1000 user
WORKDIR /home/user/app

COPY requirements.txt requirements.lock ./
RUN pip install --no-cache-dir --no-deps --require-hashes -r requirements.lock \
    && grep '^torch==' requirements.txt > torch.txt \
    && pip install --no-cache-dir --no-deps --index-url https://download.pytorch.org/whl/cpu -r torch.txt \
    && rm torch.txt

COPY --chown=user demo.py LICENSE README.md ./
COPY --chown=user depthmask ./depthmask
COPY --chown=user examples ./examples
COPY --chown=user weights ./weights

USER user
EXPOSE 7860
HEALTHCHECK --interval=15s --start-period=60s --timeout=5s CMD ["python", "-c", "from http.client \
import HTTPConnection as Server; page = Server('127.0.0.1', 7860, timeout=4); page.request('GET', '/'); \
exit(page.getresponse().status >= 400)"]
ENTRYPOINT ["python", "-u", "demo.py", "--host", "0.0.0.0", "--port", "7860"]
