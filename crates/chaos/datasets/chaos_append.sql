CREATE TABLE IF NOT EXISTS chaos_append (
  id     BIGINT       NOT NULL AUTO_INCREMENT,
  tenant VARCHAR(64)  CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  effect VARCHAR(150) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  amount BIGINT       NOT NULL,
  at     DATETIME(6)  NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  PRIMARY KEY (id),
  UNIQUE KEY uk_chaos_append (tenant, effect)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- the effect's name, then what no other row has
CREATE TRIGGER chaos_append_inserting BEFORE INSERT ON chaos_append FOR EACH ROW
  SET NEW.effect = CONCAT(NEW.effect, '#', UUID_SHORT());

-- what a service of its own writes down in the transaction that asks for work by plain SQL
CREATE TABLE IF NOT EXISTS chaos_order (
  name VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
