# Each target works in a fresh clone: it makes .venv first if it is missing.
PYTHON := .venv/bin/python
# Tests in parallel: one more than there are cores, since tests of the page wait a third of their time.
# The files keep the order that tests/conftest.py gives them.
WORKERS := $$($(PYTHON) -c 'import os; print(min(8, (os.cpu_count() or 1) + 1))')

# Tests start hundreds of processes: each would compile the project anew where this forbids to keep it.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo site space test coverage soak check train weights clean

help:
	@echo "make demo    serve the page            (ARGS='--port 8000' passes options on)"
	@echo "make site    build the static page into web/dist, by Node"
	@echo "make space   the same and a front page into web/space, for a static Space of Hugging Face"
	@echo "make test    run all tests             (ARGS='tests/network/test_model.py' picks some)"
	@echo "make coverage  which lines no test runs, of those without a browser"
	@echo "make soak    load the page for ten minutes, and watch the memory of predictions"
	@echo "make check   lint, format, types"
	@echo "make train   train for a minute on the examples"
	@echo "make weights rebuild the graphs in weights/ after the weights have changed (DATA=PACK judges them)"
	@echo "make clean   remove .venv, caches and the built page"

demo:
	@tools/setup.sh
	@$(PYTHON) demo.py $(ARGS)

site:
	@tools/setup.sh
	@$(PYTHON) -m tools.build_site

space: site
	@$(PYTHON) -m depthmask site -o web/space
	@cp deploy/space/README.md web/space/

test:
	@tools/setup.sh dev
	@$(PYTHON) -m tools.build_site --optional
	@$(PYTHON) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

coverage:
	@tools/setup.sh dev
	@rm -f .coverage .coverage.*
	@$(PYTHON) -m coverage run -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not browser" $(ARGS)
	@$(PYTHON) -m coverage combine -q
	@$(PYTHON) -m coverage report

soak:
	@tools/setup.sh dev
	@$(PYTHON) -m benchmarks.server_load --visitors 50 --live 4 --slow 20 --minutes 10 $(ARGS)
	@$(PYTHON) -m benchmarks.prediction_memory

check:
	@tools/setup.sh dev
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy
	@.venv/bin/lint-imports

train:
	@tools/setup.sh
	@rm -rf runs/examples
	@$(PYTHON) -m tools.pack_examples runs/examples/pack.safetensors
	@$(PYTHON) train.py --data runs/examples/pack.safetensors --out runs/examples \
		--phases 64:768:16:3e-3 --epoch 384 --held-out 0.25 --validation 32
	@echo
	@echo "With your own folders (cut-outs with alpha, photos of empty scenes) and an ONNX"
	@echo "network that predicts inverse depth:"
	@echo "  $(PYTHON) -m depthmask pack --foregrounds DIR --backgrounds DIR \\"
	@echo "      --teacher FILE.onnx:inverse -o runs/mine/pack.safetensors"
	@echo "  $(PYTHON) train.py --data runs/mine/pack.safetensors --out runs/mine --resume"

weights:
	@tools/setup.sh dev
	@cd weights && sha256sum *.safetensors >SHA256SUMS
	@for model in main fast; do \
		$(PYTHON) -m depthmask export --model $$model --dynamic --precision fp16 && \
		$(PYTHON) -m depthmask export --model $$model --dynamic --precision int8 --format openvino $(if $(DATA),--data $(DATA)) \
			|| exit 1; done
	@cd weights && sha256sum *.bin *.onnx *.safetensors *.xml >SHA256SUMS

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache web/dist web/node_modules web/space
