-- Example table of the dataset `user`. Times are UTC wall clock, whatever the session's zone.
CREATE TABLE IF NOT EXISTS `user` (
  id            BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  tenant        VARCHAR(64)  CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  username      VARCHAR(64)  CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  nickname      VARCHAR(64)  NULL,
  email         VARCHAR(128) NULL,
  mobile        VARCHAR(20)  NULL,
  status        VARCHAR(16)  CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT 'ACTIVE',
  login_count   INT UNSIGNED NOT NULL DEFAULT 0,
  birthday      DATE         NULL,
  last_login_at DATETIME(6)  NULL,
  created_at    DATETIME(6)  NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  deleted       TINYINT(1)   NOT NULL DEFAULT 0,
  PRIMARY KEY (id),
  UNIQUE KEY uk_user_username (tenant, username)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
