-- Dead letters, all of it: what is needed to find, group and repair them; who did what; who was told.

ALTER TABLE dead_letter
  -- what the row was about, for whom the row has gone
  ADD COLUMN biz_id        VARCHAR(128)    NULL,
  ADD COLUMN task_id       BIGINT UNSIGNED NULL,
  -- bytes of the row's context or of the message, of which payload may hold only the first
  ADD COLUMN payload_bytes BIGINT UNSIGNED NOT NULL DEFAULT 0,
  ADD COLUMN acted_at      DATETIME(6)     NULL,
  -- Lists are paged by id. Dead letters are rare: an index that spares a walk past thousands of
  -- others is worth its write.
  ADD KEY tenant_id (tenant, id),
  ADD KEY tenant_status_reason (tenant, status, reason, id),
  ADD KEY tenant_status_biz_type (tenant, status, biz_type, id),
  -- the summary of a tenant, and what the house counts of all of them
  ADD KEY tenant_status_kind (tenant, status, lane, biz_type, reason, created_at),
  ADD KEY status_kind (status, lane, biz_type, reason);

-- Append-only: who did what. Nothing updates or deletes it.
CREATE TABLE operation_log (
  id          BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  tenant      VARCHAR(64)  NOT NULL,
  actor       VARCHAR(128) NOT NULL,
  -- words of domain::OperationAction, ObjectKind and OperationOutcome
  action      VARCHAR(64)  NOT NULL,
  object_kind VARCHAR(32)  NOT NULL,
  object_id   VARCHAR(249) NOT NULL,
  outcome     VARCHAR(16)  NOT NULL,
  -- JSON object
  detail      TEXT         NULL,
  request_id  VARCHAR(128) NULL,
  created_at  DATETIME(6)  NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  PRIMARY KEY (id),
  KEY tenant_id (tenant, id),
  KEY tenant_actor (tenant, actor, id),
  KEY tenant_action (tenant, action, id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The in-app inbox of a user, or of everybody who has a role.
CREATE TABLE notification (
  id               BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  tenant           VARCHAR(64)  NOT NULL,
  recipient_kind   ENUM('USER','ROLE') NOT NULL,
  recipient        VARCHAR(128) NOT NULL,
  kind             VARCHAR(32)  NOT NULL,
  -- what is told once and counted from then on
  notification_key VARCHAR(500) NOT NULL,
  count            INT UNSIGNED NOT NULL DEFAULT 1,
  -- JSON object: what the sentence is made of
  params           TEXT         NOT NULL,
  -- null: unread, or told again since
  read_at          DATETIME(6)  NULL,
  created_at       DATETIME(6)  NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  updated_at       DATETIME(6)  NOT NULL DEFAULT (UTC_TIMESTAMP(6)),
  PRIMARY KEY (id),
  UNIQUE KEY tenant_key (tenant, recipient_kind, recipient, notification_key),
  KEY tenant_recipient (tenant, recipient_kind, recipient, id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
