-- Telling people of their tasks: what each wants, where webhooks lead, and what became of each call.

-- What a user wants to be told by; without a row: nothing.
CREATE TABLE notification_setting (
  tenant     VARCHAR(64)  NOT NULL,
  created_by VARCHAR(128) NOT NULL,
  in_app     BOOLEAN      NOT NULL DEFAULT FALSE,
  -- where mail goes; null: none is wanted
  email      VARCHAR(254) NULL,
  created_at DATETIME(6)  NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  updated_at DATETIME(6)  NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  PRIMARY KEY (tenant, created_by)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE webhook (
  id         BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  tenant     VARCHAR(64)  NOT NULL,
  created_by VARCHAR(128) NOT NULL,
  url        VARCHAR(2000) NOT NULL,
  -- signs the calls; told once, when the webhook is made
  secret     VARCHAR(256) NOT NULL,
  -- comma-separated, never empty
  events     VARCHAR(255) NOT NULL,
  created_at DATETIME(6)  NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  PRIMARY KEY (id),
  KEY tenant_user (tenant, created_by, id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- One call to be made, as often as it takes. Whether more tries follow is told by its row of
-- compensate_biz: biz_type notify, biz_id delivery/<id>.
CREATE TABLE webhook_delivery (
  id           BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  tenant       VARCHAR(64)  NOT NULL,
  webhook_id   BIGINT UNSIGNED NOT NULL,
  event        VARCHAR(64)  NOT NULL,
  task_id      BIGINT UNSIGNED NOT NULL,
  attempts     INT UNSIGNED NOT NULL DEFAULT 0,
  -- the epoch of the last try that was noted: an older one may not write over it
  epoch        BIGINT UNSIGNED NOT NULL DEFAULT 0,
  -- the HTTP status of the last try; null when there was no answer
  code         SMALLINT UNSIGNED NULL,
  error        VARCHAR(500) NULL,
  attempted_at DATETIME(6)  NULL,
  delivered_at DATETIME(6)  NULL,
  created_at   DATETIME(6)  NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  PRIMARY KEY (id),
  KEY tenant_webhook (tenant, webhook_id, id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
