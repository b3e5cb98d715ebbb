-- Decides a batch and stores the decision, in one statement and so in one transaction.
-- The same questions in the same order as server/otp/decision.py; a property test holds the
-- two against each other. Kinds are those of server.otp.ports.Kind.
--
-- $1 client ids  $2 client versions  $3 buckets  $4 free  $5 public ids  $6 key versions
-- $7 sessions (NULL: charge only)  $8 uses  $9 clocks  $10 phishing test  $11 nonces
-- $12-$15 default limit: step, slack, day step, day slack   $16 the time, NULL for the server's
WITH entry AS MATERIALIZED (
  SELECT * FROM unnest($1::bigint[], $2::int[], $3::int[], $4::bool[], $5::text[], $6::int[],
                       $7::int[], $8::int[], $9::int[], $10::bool[], $11::text[])
         WITH ORDINALITY AS e(client_id, client_version, bucket, free, public_id, key_version,
                              session, use, clock, phishing_test, nonce, n)),
-- Rows are locked in one order by everybody, keys first: no deadlocks. A locked row is the
-- newest version, not the snapshot's.
key AS MATERIALIZED (
  SELECT public_id, active, version, session, use, clock, nonce, accepted_us
    FROM otp_key WHERE public_id = ANY ($5) ORDER BY public_id FOR NO KEY UPDATE),
purse AS MATERIALIZED (
  SELECT b.client_id, b.bucket, b.burst_tat_us, b.day_tat_us
    FROM (SELECT DISTINCT client_id, bucket FROM entry) AS asked
    JOIN budget AS b ON b.client_id = asked.client_id AND b.bucket = asked.bucket
   WHERE (SELECT count(*) FROM key) >= 0        -- keys before purses
   ORDER BY b.client_id, b.bucket FOR NO KEY UPDATE OF b),
-- The time is read when all locks are held. Read before, it could lie behind what the last
-- holder of a purse saw; a full purse would then look as if the clock had jumped, and admit
-- one session too many.
now_ AS MATERIALIZED (
  SELECT coalesce($16::bigint, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) AS us
    FROM (SELECT count(*) AS n FROM purse) AS locked WHERE locked.n >= 0),
-- Clients with the limit in force: their own, as long as it holds, else the default.
customer AS MATERIALIZED (
  SELECT id, active, version,
         CASE WHEN own THEN step_us ELSE $12::bigint END AS step_us,
         CASE WHEN own THEN slack_us ELSE $13::bigint END AS slack_us,
         CASE WHEN own THEN day_step_us ELSE $14::bigint END AS day_step_us,
         CASE WHEN own THEN day_slack_us ELSE $15::bigint END AS day_slack_us,
         own AND shadow AS shadow
    FROM (SELECT c.*, c.step_us IS NOT NULL AND coalesce(us < c.limit_expires_us, true) AS own
            FROM client AS c CROSS JOIN now_ WHERE c.id = ANY ($1)) AS c),
-- What a purse admits now. Division truncates toward zero, so the step is added first: a bare
-- "x / step + 1" admits one session too many.
account AS MATERIALIZED (
  SELECT b.*, least((us + slack_us - base_us + step_us) / step_us,
                    (us + day_slack_us - day_base_us + day_step_us) / day_step_us) AS capacity
    FROM (
      -- Where spending starts: the TAT, but not the past. One further ahead than spending can
      -- leave it means that the clock jumped forward and back; it counts as now + slack.
      SELECT p.client_id, p.bucket, c.active, c.version, c.shadow, us,
             step_us, slack_us, day_step_us, day_slack_us,
             CASE WHEN burst_tat_us > us + slack_us + step_us THEN us + slack_us
                  ELSE greatest(burst_tat_us, us) END AS base_us,
             CASE WHEN day_tat_us > us + day_slack_us + day_step_us THEN us + day_slack_us
                  ELSE greatest(day_tat_us, us) END AS day_base_us
        FROM purse AS p JOIN customer AS c ON c.id = p.client_id CROSS JOIN now_) AS b),
seen AS (
  SELECT e.n, e.client_id, e.bucket, e.free, e.public_id, e.session, e.use, e.clock, e.nonce,
         a.us, a.shadow, a.capacity, a.base_us, a.step_us, a.slack_us,
         a.day_base_us, a.day_step_us, a.day_slack_us,
         CASE
           -- Also without a purse, which is made before the first batch that needs it.
           WHEN a.client_id IS NULL OR NOT a.active OR a.version <> e.client_version
                THEN 6                                                      -- STALE_CLIENT
           WHEN k.public_id IS NULL AND e.key_version <> 0 THEN 8           -- MISSING_COUNTER
           WHEN e.key_version <> coalesce(k.version, 0) THEN 7              -- STALE_KEY
           WHEN e.session IS NULL THEN 4                                    -- CHARGED
           WHEN k.public_id IS NULL OR NOT k.active THEN 7                  -- STALE_KEY
           WHEN (e.session, e.use) > (k.session, k.use) THEN
             CASE WHEN e.phishing_test AND e.session = k.session AND a.us >= k.accepted_us
                       AND (SELECT deviation_us > 20000000
                                   AND deviation_us * 10 > (a.us - k.accepted_us) * 3
                              FROM (SELECT least(ahead_us, 2097152000000 - ahead_us)
                                           AS deviation_us
                                      -- The key's clock wraps. % keeps the sign: made positive.
                                      FROM (SELECT (a.us - k.accepted_us
                                             - ((e.clock - k.clock) & 16777215)::bigint * 125000
                                             + 2097152000000) % 2097152000000
                                             AS ahead_us) AS circle) AS d)
                  THEN 3 ELSE 0 END                                         -- DELAYED_OTP, OK
           WHEN (e.session, e.use) = (k.session, k.use)
                AND e.nonce <> '' AND e.nonce = k.nonce THEN 2              -- REPLAYED_REQUEST
           ELSE 1                                                           -- REPLAYED_OTP
         END AS found
    FROM entry AS e
    LEFT JOIN account AS a ON a.client_id = e.client_id AND a.bucket = e.bucket
    LEFT JOIN key AS k ON k.public_id = e.public_id),
-- All sessions cost the same: the k-th that pays is admitted iff k <= capacity, so "in order"
-- needs no loop. To one that would not pay, kth is how many do before it.
ranked AS MATERIALIZED (
  SELECT s.*, count(*) FILTER (WHERE pays)
              OVER (PARTITION BY client_id, bucket ORDER BY n ROWS UNBOUNDED PRECEDING) AS kth
    FROM (SELECT *, found IN (0, 1, 3, 4) AND NOT free AS pays FROM seen) AS s),
judged AS MATERIALIZED (
  SELECT j.*, CASE WHEN over AND NOT shadow THEN 5 ELSE found END AS kind   -- LIMITED
    FROM (
      SELECT n, public_id, client_id, session, use, clock, nonce, us, shadow, found,
             capacity - least(kth, capacity) AS remaining,
             greatest(0, base_us + least(kth, capacity) * step_us - slack_us - us,
                      day_base_us + least(kth, capacity) * day_step_us - day_slack_us - us)
               AS retry_us,
             NOT free AND found NOT IN (2, 6)
               AND CASE WHEN pays THEN kth > capacity ELSE kth >= capacity END AS over
        FROM ranked) AS j),
spent AS (
  UPDATE budget AS b
     SET burst_tat_us = base_us + least(wanted, capacity) * step_us,
         day_tat_us = day_base_us + least(wanted, capacity) * day_step_us
    FROM account AS a
    JOIN (SELECT client_id, bucket, max(kth) AS wanted FROM ranked GROUP BY client_id, bucket) AS w
      ON w.client_id = a.client_id AND w.bucket = a.bucket
   WHERE b.client_id = a.client_id AND b.bucket = a.bucket AND least(wanted, capacity) > 0),
moved AS (
  UPDATE otp_key AS o
     SET session = j.session, use = j.use, clock = j.clock, nonce = j.nonce,
         accepted_us = j.us, accepted_client = j.client_id
    FROM judged AS j
   WHERE j.kind = 0 AND o.public_id = j.public_id AND (o.session, o.use) < (j.session, j.use)
  RETURNING j.n)
SELECT CASE WHEN j.kind = 0 AND m.n IS NULL THEN 1 ELSE j.kind END AS kind,
       CASE WHEN j.kind = 6 THEN 0 ELSE remaining END AS remaining,
       CASE WHEN j.kind = 6 THEN 0 ELSE retry_us END AS retry_us,
       CASE WHEN j.kind IN (5, 6) THEN false ELSE over END AS shadowed
  FROM judged AS j LEFT JOIN moved AS m ON m.n = j.n
 ORDER BY j.n
