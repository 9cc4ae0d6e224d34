DROP TABLE partner_positions;
