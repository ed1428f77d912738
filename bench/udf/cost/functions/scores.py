"""The kit's models (cost.py makes their files), as functions."""

import headrace as hr

sklearn_score = hr.model("models/score.joblib", name="sklearn_score", features=["price", "auction", "bidder", "length"])
onnx_score = hr.model("models/score.onnx", name="onnx_score", features=["price", "auction", "bidder", "length"])
onnx_score_apart = hr.model(
    "models/score.onnx", name="onnx_score_apart", features=["price", "auction", "bidder", "length"], isolation="process"
)
