CREATE TABLE IF NOT EXISTS chaos_upsert (
  id     BIGINT       NOT NULL AUTO_INCREMENT,
  tenant VARCHAR(64)  CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  effect VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  amount BIGINT       NOT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY uk_chaos_upsert (tenant, effect)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- every effect on chaos_upsert; append-only, without a unique key but its own
CREATE TABLE IF NOT EXISTS chaos_ledger (
  id     BIGINT       NOT NULL AUTO_INCREMENT,
  effect VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  at     DATETIME(6)  NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  PRIMARY KEY (id),
  KEY effect (effect)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TRIGGER chaos_upsert_inserted AFTER INSERT ON chaos_upsert FOR EACH ROW
  INSERT INTO chaos_ledger (effect) VALUES (NEW.effect);
CREATE TRIGGER chaos_upsert_updated AFTER UPDATE ON chaos_upsert FOR EACH ROW
  INSERT INTO chaos_ledger (effect) VALUES (NEW.effect);
