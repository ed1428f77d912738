CREATE ALERT high_risk ON risky WHEN score >= 0.9;

CREATE SINK risky_out WITH (connector = 'file', path = '${FRAUD_OUT}/risky.ndjson') AS
SELECT card, window_start, window_end, payments, total, score
FROM risky;

-- Payments that came after their hour had been counted: kept, for those who settle disputes.
CREATE SINK late_out WITH (connector = 'file', path = '${FRAUD_OUT}/late.ndjson') AS
SELECT card, ts, amount, merchant, country FROM late(tx);
