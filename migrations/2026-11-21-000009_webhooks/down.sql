DROP TABLE webhook_delivery;
DROP TABLE webhook;
DROP TABLE notification_setting;
