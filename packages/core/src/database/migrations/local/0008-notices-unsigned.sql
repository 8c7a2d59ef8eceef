-- Notices are signed when they are sent: a denial of a thousand branches must not wait for a thousand signatures.
ALTER TABLE notices DROP COLUMN signature;
