DROP TABLE dead_letter;
DROP TABLE task_file;
DROP TABLE idempotency;
DROP TABLE task;
DROP TABLE compensate_biz_attempt;
DROP TABLE compensate_biz;
