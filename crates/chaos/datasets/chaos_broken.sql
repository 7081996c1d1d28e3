CREATE TABLE IF NOT EXISTS chaos_broken (
  id     BIGINT      NOT NULL AUTO_INCREMENT,
  tenant VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  text   JSON        NOT NULL,
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO chaos_broken (tenant, text) VALUES ('acme', '"no number"');
ALTER TABLE chaos_broken ADD COLUMN number BIGINT
  AS (JSON_VALUE(text, '$' RETURNING SIGNED ERROR ON ERROR)) VIRTUAL;
