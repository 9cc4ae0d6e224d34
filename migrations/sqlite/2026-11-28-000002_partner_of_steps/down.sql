ALTER TABLE order_steps DROP COLUMN partner_id;
