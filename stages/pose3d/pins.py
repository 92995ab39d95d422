"""Where BlazePose's networks are published, and the digests of the archive and of each file in it.

The npm package ``@mediapipe/pose`` (Google, Apache-2.0) holds the detector and all three landmark networks;
the detector is the only file of a pack, so that the pack is the file.
"""

from __future__ import annotations

from stages.pose3d.params import Model

ARCHIVE = "https://registry.npmjs.org/@mediapipe/pose/-/pose-0.5.1675469404.tgz"
ARCHIVE_SHA256 = "8bb349a7b3a3ba699df23be804ddd3b3eab810b50b15406894be257859388a84"

DETECTOR = "pose_detection.tflite"
#: file → its name in the archive, its sha256
PINS = {
    DETECTOR: (
        "package/pose_solution_packed_assets.data",
        "a63c614bef30d35947f13be361820b1e4e3bec9cfeebf4d11216a18373108e85",
    ),
    "pose_landmark_lite.tflite": (
        "package/pose_landmark_lite.tflite",
        "f17bfbecadb61c3be1baa8b8d851cc6619c870a87167b32848ad20db306b9d61",
    ),
    "pose_landmark_full.tflite": (
        "package/pose_landmark_full.tflite",
        "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
    ),
    "pose_landmark_heavy.tflite": (
        "package/pose_landmark_heavy.tflite",
        "59e42d71bcd44cbdbabc419f0ff76686595fd265419566bd4009ef703ea8e1fe",
    ),
}


def files_of(model: Model) -> tuple[str, str]:
    """Return the files that a model reads: the detector's and its own."""
    return DETECTOR, f"pose_landmark_{model}.tflite"
