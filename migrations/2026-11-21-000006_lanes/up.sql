-- Whether a lane is worked on, as every worker sees it. A lane without a row is open. Lanes belong to
-- the house, not to a tenant.
CREATE TABLE lane (
  name        VARCHAR(249) NOT NULL,
  state       ENUM('OPEN','PAUSED','PROBING') NOT NULL DEFAULT 'OPEN',
  reason      VARCHAR(500) NULL,
  -- <tenant>/<user>; null: it paused by itself, and opens by itself
  paused_by   VARCHAR(200) NULL,
  paused_at   DATETIME(6)  NULL,
  -- paused by itself: when a probe may be taken; probing: when the next one may
  probe_at    DATETIME(6)  NULL,
  probe_owner VARCHAR(191) NULL,
  -- how often it paused by itself without having been well in between
  trips       INT UNSIGNED NOT NULL DEFAULT 0,
  updated_at  DATETIME(6)  NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  PRIMARY KEY (name)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
