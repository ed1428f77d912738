"""The probability that a payment is fraud, by boosted trees in ONNX (`python examples/fraud_live/train.py`)."""

import headrace as hr
from functions.cards import FEATURES

predict_fraud = hr.model("models/fraud.onnx", features=FEATURES)
