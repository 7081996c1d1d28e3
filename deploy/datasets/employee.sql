-- Example table of the dataset `employee`. Times are UTC wall clock, whatever the session's zone.
CREATE TABLE IF NOT EXISTS employee (
  id          BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  tenant      VARCHAR(64)   CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  employee_no VARCHAR(20)   CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  name        VARCHAR(64)   CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  department  VARCHAR(64)   CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  position    VARCHAR(64)   CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
  email       VARCHAR(128)  NULL,
  mobile      VARCHAR(20)   NULL,
  salary      DECIMAL(12,2) NULL,
  hire_date   DATE          NOT NULL,
  active      TINYINT(1)    NOT NULL DEFAULT 1,
  created_at  DATETIME(6)   NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  updated_at  DATETIME(6)   NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  deleted_at  DATETIME(6)   NULL,
  PRIMARY KEY (id),
  UNIQUE KEY uk_employee_no (tenant, employee_no),
  KEY ix_employee_department (tenant, department),
  KEY ix_employee_hire_date (tenant, hire_date)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
