"""Run the original TensorFlow Lite networks on made inputs and store what they answer, for the parity tests.

    python tools/reference_outputs.py face_detection_short_range.tflite tests/face/blazeface_reference.npz
    python tools/reference_outputs.py face_landmarks_detector.tflite tests/features/mesh_reference.npz

Needs `pip install ai-edge-litert numpy pillow`; nothing here is imported by the package.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image, ImageDraw


def drawn_face(side: int) -> np.ndarray:
    """(side, side, 3) uint8: a plain drawing of a face, enough for a face detector to fire."""
    image = Image.new("RGB", (256, 256), (90, 120, 150))
    draw = ImageDraw.Draw(image)
    draw.ellipse((70, 40, 186, 196), fill=(214, 170, 140))
    draw.pieslice((66, 30, 190, 150), 180, 360, fill=(60, 40, 30))
    for x in (104, 152):
        draw.ellipse((x - 14, 100, x + 14, 114), fill=(245, 240, 235))
        draw.ellipse((x - 6, 101, x + 6, 113), fill=(50, 35, 30))
        draw.arc((x - 18, 84, x + 18, 104), 200, 340, fill=(60, 40, 30), width=4)
    draw.polygon([(128, 112), (118, 142), (138, 142)], fill=(196, 150, 122))
    draw.ellipse((106, 156, 150, 172), fill=(170, 80, 80))
    draw.line((106, 164, 150, 164), fill=(110, 40, 45), width=2)
    return np.asarray(image.resize((side, side), Image.Resampling.LANCZOS))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tflite", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    interpreter = Interpreter(str(arguments.tflite))
    interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]
    side = int(entry["shape"][1])
    noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    stored: dict[str, np.ndarray] = {"images": np.stack([drawn_face(side), noise])}
    for number, image in enumerate(stored["images"]):
        tensor = image[None].astype(np.float32) / 255
        interpreter.set_tensor(entry["index"], tensor * 2 - 1 if side == 128 else tensor)
        interpreter.invoke()
        for output in interpreter.get_output_details():
            stored[f"{output['name']}.{number}"] = interpreter.get_tensor(output["index"])
    np.savez_compressed(arguments.out, **stored)


if __name__ == "__main__":
    main()
