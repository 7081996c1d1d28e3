-- Example table of the dataset `coupon_grant`: what the handler of that name writes. The key guards
-- against a second grant when the row that asked for the first has long been removed.
CREATE TABLE IF NOT EXISTS coupon_grant (
  id         BIGINT       NOT NULL AUTO_INCREMENT,
  tenant     VARCHAR(64)  NOT NULL,
  batch      VARCHAR(32)  NOT NULL,
  member_no  VARCHAR(20)  NOT NULL,
  coupon     VARCHAR(32)  NOT NULL,
  created_at DATETIME     NOT NULL DEFAULT (UTC_TIMESTAMP()),
  PRIMARY KEY (id),
  UNIQUE KEY uk_grant (tenant, batch, member_no, coupon)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
