-- Example table of the dataset `member`. Times are UTC wall clock, whatever the session's zone.
CREATE TABLE IF NOT EXISTS member (
  id         BIGINT        NOT NULL AUTO_INCREMENT,
  tenant     VARCHAR(64)   CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  member_no  VARCHAR(20)   CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  name       VARCHAR(64)   CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  mobile     VARCHAR(20)   CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  email      VARCHAR(64)   NULL,
  level      TINYINT       NOT NULL,
  points     INT           NOT NULL,
  balance    DECIMAL(12,2) NOT NULL,
  birthday   DATE          NULL,
  created_at DATETIME      NULL DEFAULT (UTC_TIMESTAMP()),
  remark     VARCHAR(100)  CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
  PRIMARY KEY (id),
  UNIQUE KEY uk_member_no (tenant, member_no)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
