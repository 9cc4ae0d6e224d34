-- Who got the order by a step to `assigned`.
ALTER TABLE order_steps ADD COLUMN partner_id TEXT;
