"""One model in both places."""

import headrace as hr

FEATURES = ("price", "auction", "bidder", "extra")

score_bid = hr.model("bids.onnx", name="score_bid", features=FEATURES)
score_bid_apart = hr.model("bids.onnx", name="score_bid_apart", features=FEATURES, isolation="process")
