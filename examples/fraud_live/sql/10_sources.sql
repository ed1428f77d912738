-- Card payments over HTTP as they happen, and what is known of each card (`python -m headrace.demo.fraud` makes both; FRAUD_DATA is their folder).

CREATE SOURCE tx (
  tx_id    VARCHAR,
  card     VARCHAR,
  ts       TIMESTAMP,
  amount   DECIMAL(12, 2),
  merchant VARCHAR,
  category VARCHAR,
  country  VARCHAR,          -- of the merchant
  lat      DOUBLE,
  lon      DOUBLE,
  channel  VARCHAR,          -- pos or online
  declined BOOLEAN,
  WATERMARK FOR ts AS ts - INTERVAL '10' MINUTE
) WITH (connector = 'http');

CREATE SOURCE cards (
  card         VARCHAR,
  home_country VARCHAR,
  utc_offset   INTEGER,      -- hours
  usual_amount DECIMAL(12, 2)
) WITH (connector = 'file', path = '${FRAUD_DATA}/cards.csv', format = 'csv', mode = 'bounded');
