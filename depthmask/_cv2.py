"""OpenCV, or one sentence on how to get it: `from depthmask._cv2 import cv2`."""

try:
    import cv2 as cv2
except ModuleNotFoundError as error:
    raise ImportError("OpenCV is missing; run `pip install opencv-python`.") from error
except ImportError as error:
    raise ImportError(
        f"OpenCV needs system libraries that slim images lack ({error}); "
        "run `apt-get install libgl1 libglib2.0-0`."
    ) from error
