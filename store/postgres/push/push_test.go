package push_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"im/domain"
	"im/test/eventually"
	"im/test/leaktest"
	"im/test/pgtest"
	"im/test/storetest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

var rules = domain.PushRules{Delay: time.Millisecond, Within: 10 * time.Minute}

func start(t *testing.T) (*storetest.Node, *pgx.Conn) {
	t.Helper()
	n := storetest.Start(t, pgtest.New(t))
	return n, storetest.Connect(t, n.URL)
}

func exec(t *testing.T, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	_, err := conn.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

func ask[T any](t *testing.T, conn *pgx.Conn, sql string, args ...any) (value T) {
	t.Helper()
	require.NoError(t, conn.QueryRow(t.Context(), sql, args...).Scan(&value))
	return value
}

func registration(user domain.UserID, device domain.DeviceID) domain.PushRegistration {
	return domain.PushRegistration{
		User: user, Device: device, Preview: domain.PreviewFull,
		Address: domain.PushAddress{Provider: domain.PushFCM, Token: string(user) + "-" + string(device)},
	}
}

func register(t *testing.T, n *storetest.Node, user domain.UserID, device domain.DeviceID) {
	t.Helper()
	require.NoError(t, n.PutPush(t.Context(), registration(user, device)))
}

// lane makes a lane of all events of a conversation that is due for some time.
func lane(t *testing.T, conn *pgx.Conn, id domain.ConversationID, due time.Duration) {
	t.Helper()
	exec(t, conn, `INSERT INTO push_lanes (conversation_id, next_seq, head_seq, due_at)
		SELECT id, 1, head_seq, clock_timestamp() - $2::interval FROM conversations WHERE id = $1`, id, due)
}

// plan plans until nothing is due.
func plan(t *testing.T, n *storetest.Node, conn *pgx.Conn) {
	t.Helper()
	eventually.True(t, "no lane is left", func() bool {
		_, err := n.PlanPushes(t.Context(), rules)
		require.NoError(t, err)
		return ask[int](t, conn, `SELECT count(*) FROM push_lanes`) == 0
	})
}

func notified(t *testing.T, conn *pgx.Conn, id domain.ConversationID) int {
	t.Helper()
	return ask[int](t, conn, `SELECT count(*) FROM push_notifications WHERE conversation_id = $1`, id)
}

// crowd adds members with a device each to a conversation, named member-00001 and so on.
func crowd(t *testing.T, conn *pgx.Conn, id domain.ConversationID, count int) {
	t.Helper()
	exec(t, conn, `
WITH who AS (
	SELECT 'member-' || lpad(i::text, 5, '0') AS user_id FROM generate_series(1, $2::int) i
), joined AS (
	INSERT INTO members (conversation_id, joined_seq, read_seq, read_message_no, changed, role, user_id)
	SELECT $1, 1, 1, 0, pg_current_xact_id(), 'member', user_id FROM who
), registered AS (
	INSERT INTO push_registrations (issued_at, user_id, device_id, provider, service, token, token_hash, preview, locale)
	SELECT now(), user_id, 'phone', 'fcm', 'fcm', user_id, user_id::bytea, 'full', '' FROM who ON CONFLICT DO NOTHING
)
UPDATE conversations SET member_count = member_count + $2 WHERE id = $1`, id, count)
}

// What is due is found by the index of due_at, however much is not due: the condition is one
// of the index, and not of the rows that it leads to.
func TestDueGoesByIndex(t *testing.T) {
	t.Parallel()
	_, conn := start(t)
	exec(t, conn, `INSERT INTO push_registrations (issued_at, user_id, device_id, provider, service, token, token_hash, preview, locale)
		VALUES (now(), 'bob', 'phone', 'fcm', 'fcm', 't', 't', 'full', '')`)
	exec(t, conn, `INSERT INTO push_notifications (conversation_id, seq, due_at, user_id, device_id, provider, service)
		SELECT gen_random_uuid(), 1, now() + i * interval '1 s', 'bob', 'phone', 'fcm', 'fcm' FROM generate_series(-50, 20000) i`)
	exec(t, conn, `INSERT INTO push_lanes (conversation_id, next_seq, head_seq, due_at)
		SELECT gen_random_uuid(), 1, 1, now() + i * interval '1 s' FROM generate_series(-50, 20000) i`)
	exec(t, conn, `INSERT INTO webhook_lanes (webhook_id, conversation_id, next_seq, head_seq, due_at)
		SELECT '00000000-0000-0000-0000-000000000001', gen_random_uuid(), 1, 1, now() + i * interval '1 s' FROM generate_series(-50, 20000) i`)
	exec(t, conn, `ANALYZE push_notifications, push_lanes, webhook_lanes`)
	statements := storetest.Statements(t, "..")
	demanded := regexp.MustCompile(`Index Cond: \(.*due_at <=? `)
	for name, args := range map[string]string{
		"push.claimSQL":   `'fcm', '{}', 64, '30 s'`,
		"push.owedSQL":    `'fcm'`,
		"push.sweepSQL":   `'fcm', 2000`,
		"push.planSQL":    `'10 min', '5 s', 100, 2000, 500, null`,
		"push.dueSQL":     `100`,
		"webhooks.dueSQL": `'00000000-0000-0000-0000-000000000001', '{}', 64, '00000000-0000-0000-0000-000000000001'`,
	} {
		for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
			exec(t, conn, `SET plan_cache_mode = `+mode)
			exec(t, conn, `PREPARE due AS `+statements[name])
			rows, err := conn.Query(t.Context(), `EXPLAIN EXECUTE due (`+args+`)`, pgx.QueryExecModeSimpleProtocol)
			require.NoError(t, err, name)
			lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
			require.NoError(t, err)
			require.Regexp(t, demanded, strings.Join(lines, "\n"), name)
			exec(t, conn, `DEALLOCATE due`)
		}
	}
}

// A revocation and a ban wait for no plan that is under way. What that plan writes for the
// users is not sent, and deleted with the registrations.
func TestRevocationDuringPlan(t *testing.T) {
	t.Parallel()
	n, conn := start(t)
	id := n.Group(t, "alice", "bob", "carol", "dave", "erin")
	for _, user := range []domain.UserID{"bob", "carol", "dave", "erin"} {
		register(t, n, user, "phone")
	}
	n.Post(t, "alice", id, "m", "x")
	lane(t, conn, id, time.Second)
	time.Sleep(2 * rules.Delay)
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), storetest.Statements(t, "..")["push.planSQL"], rules.Within, rules.Delay, 100, 2000, 500, nil)
	require.NoError(t, err)
	_, err = n.Revoke(t.Context(), "bob")
	require.NoError(t, err)
	require.NoError(t, n.BanUser(t.Context(), "carol", nil, ""))
	_, err = n.Revoke(t.Context(), "erin")
	require.NoError(t, err)
	for _, user := range []domain.UserID{"bob", "carol"} {
		_, _, err := n.PushRegistration(t.Context(), user, "phone")
		require.ErrorIs(t, err, domain.ErrNotFound)
	}
	require.NoError(t, n.SweepPushes(t.Context()), "what the plan holds is left")
	require.NoError(t, tx.Commit(t.Context()))
	require.Equal(t, 4, notified(t, conn, id))

	// The first of these is owed by claims, the other one is deleted by the sweep.
	exec(t, conn, `UPDATE push_notifications SET due_at = 'infinity' WHERE user_id = 'erin'`)
	claims, err := n.ClaimPushes(t.Context(), domain.PushFCM, nil, 10, time.Minute)
	require.NoError(t, err)
	require.Len(t, claims, 3)
	jobs, err := n.PushJobs(t.Context(), claims, rules)
	require.NoError(t, err)
	require.Len(t, jobs, 1)
	require.EqualValues(t, "dave", jobs[0].User)
	require.Equal(t, []string{"dave", "erin"}, ask[[]string](t, conn, `SELECT array_agg(user_id ORDER BY user_id) FROM push_registrations`))
	require.NoError(t, n.SweepPushes(t.Context()))
	require.Equal(t, []string{"dave"}, ask[[]string](t, conn, `SELECT array_agg(user_id) FROM push_notifications`))
	require.Equal(t, []string{"dave"}, ask[[]string](t, conn, `SELECT array_agg(user_id) FROM push_registrations`))
}

// A registration that a call makes with a revoked token does not outlive the revocation,
// whichever comes first.
func TestPutOverRevocation(t *testing.T) {
	t.Parallel()
	n, conn := start(t)
	ctx := t.Context()
	r := registration("bob", "phone")
	old := domain.TimeOf(time.Now().Add(-time.Hour))
	r.Issued = &old
	require.NoError(t, n.PutPush(ctx, r))
	require.NoError(t, n.RemovePush(ctx, "bob", "phone"))

	// The call waits, with a token that was checked.
	tx, err := conn.Begin(ctx)
	require.NoError(t, err)
	_, err = tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('fcm bob-phone', 0))`)
	require.NoError(t, err)
	put := make(chan error, 1)
	go func() { put <- n.PutPush(ctx, r) }()
	other := storetest.Connect(t, n.URL)
	waiting(t, other)
	_, err = n.Revoke(ctx, "bob")
	require.NoError(t, err)
	require.NoError(t, tx.Commit(ctx))
	require.ErrorIs(t, storetest.Wait(t, put), domain.ErrUnauthenticated)
	require.Zero(t, ask[int](t, conn, `SELECT count(*) FROM push_registrations`))
	never := domain.Time{}
	r.Issued = &never
	require.ErrorIs(t, n.PutPush(ctx, r), domain.ErrUnauthenticated, "a token that does not say when it was issued")

	// The check was before the revocation, and the row comes after it.
	register(t, n, "bob", "phone")
	exec(t, conn, `UPDATE push_registrations SET issued_at = $1`, old.Time)
	id := n.Group(t, "alice", "bob")
	n.Post(t, "alice", id, "m", "x")
	lane(t, conn, id, time.Second)
	plan(t, n, conn)
	require.Zero(t, notified(t, conn, id))
	_, _, err = n.PushRegistration(ctx, "bob", "phone")
	require.ErrorIs(t, err, domain.ErrNotFound)

	first := ask[string](t, conn, `SELECT registration_id::text FROM push_registrations`)
	// With a new token, and by a backend, the device is registered anew.
	young := domain.TimeOf(time.Now().Add(time.Second))
	r.Issued = &young
	require.NoError(t, n.PutPush(ctx, r))
	_, second, err := n.PushRegistration(ctx, "bob", "phone")
	require.NoError(t, err)
	require.NotEqual(t, first, second, "what was owed before is gone")
	n.Post(t, "alice", id, "m2", "x")
	lane(t, conn, id, time.Second)
	plan(t, n, conn)
	require.Equal(t, 1, notified(t, conn, id))
	register(t, n, "bob", "tablet")
	_, _, err = n.PushRegistration(ctx, "bob", "tablet")
	require.NoError(t, err)
	require.Equal(t, 1, notified(t, conn, id), "what the phone is owed stays")
}

// waiting waits until a statement waits for a lock.
func waiting(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	eventually.True(t, "a statement waits for a lock", func() bool {
		return ask[int](t, conn, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) > 0
	})
}

// A device that is removed, or registers anew, while a plan runs does not make it fail.
func TestRemovedDuringPlan(t *testing.T) {
	t.Parallel()
	n, conn := start(t)
	id := n.Group(t, "alice", "bob", "carol")
	register(t, n, "bob", "phone")
	register(t, n, "carol", "phone")
	n.Post(t, "alice", id, "m", "x")
	lane(t, conn, id, time.Second)
	time.Sleep(2 * rules.Delay)
	for deadline := time.Now().Add(storetest.Deadline); ; { // a busy machine may take longer than the plan waits
		tx, err := conn.Begin(t.Context())
		require.NoError(t, err)
		_, err = tx.Exec(t.Context(), `DELETE FROM push_registrations WHERE user_id = 'bob'`)
		require.NoError(t, err)
		done := make(chan error, 1)
		go func() {
			_, err := n.PlanPushes(context.WithoutCancel(t.Context()), rules)
			done <- err
		}()
		waiting(t, storetest.Connect(t, n.URL))
		began := time.Now()
		require.NoError(t, tx.Commit(t.Context()))
		err = storetest.Wait(t, done)
		if err == nil {
			break
		}
		require.Greater(t, time.Since(began), 500*time.Millisecond, "%v", err)
		require.Less(t, time.Now(), deadline)
		register(t, n, "bob", "phone")
	}
	require.Equal(t, []string{"carol"}, ask[[]string](t, conn, `SELECT array_agg(user_id) FROM push_notifications`))
}

// A conversation that is due for longer comes before large groups that are older.
func TestOldestDueFirst(t *testing.T) {
	t.Parallel()
	n, conn := start(t)
	var groups []domain.ConversationID
	for i := range 6 {
		id := n.Group(t, "alice", "bob")
		crowd(t, conn, id, 600)
		n.Post(t, "alice", id, fmt.Sprint("g", i), "x")
		exec(t, conn, `UPDATE conversations SET member_count = 30000 WHERE id = $1`, id)
		groups = append(groups, id)
	}
	register(t, n, "bob", "phone")
	direct := n.Group(t, "alice", "bob")
	n.Post(t, "alice", direct, "d", "x")
	require.Positive(t, slices.Compare(direct[:], groups[len(groups)-1][:]), "ids ascend")
	lane(t, conn, direct, time.Minute)
	for _, id := range groups {
		lane(t, conn, id, time.Second)
	}
	time.Sleep(2 * rules.Delay)
	more, err := n.PlanPushes(t.Context(), rules)
	require.NoError(t, err)
	require.True(t, more)
	require.Equal(t, 1, notified(t, conn, direct))
	plan(t, n, conn)
	for _, id := range groups {
		require.Equal(t, 601, notified(t, conn, id))
	}
}

// A large group is gone through in parts, each of which begins after the last member of the
// one before. A message that comes in between is for a pass of its own.
func TestLargeGroupInParts(t *testing.T) {
	t.Parallel()
	n, conn := start(t)
	id := n.Group(t, "alice", "bob")
	crowd(t, conn, id, 1200)
	first := n.Post(t, "alice", id, "m", "x")
	lane(t, conn, id, time.Second)
	time.Sleep(2 * rules.Delay)
	more, err := n.PlanPushes(t.Context(), rules)
	require.NoError(t, err)
	require.True(t, more)
	require.Greater(t, notified(t, conn, id), 400)
	require.LessOrEqual(t, notified(t, conn, id), 500)
	second := n.Post(t, "alice", id, "m2", "x")
	exec(t, conn, `UPDATE push_lanes SET head_seq = $1`, second.Seq)
	time.Sleep(2 * rules.Delay)
	for range 2 {
		_, err = n.PlanPushes(t.Context(), rules)
		require.NoError(t, err)
	}
	require.Equal(t, 1200, notified(t, conn, id))
	require.Equal(t, first.Seq, ask[int64](t, conn, `SELECT max(seq) FROM push_notifications`))
	eventually.True(t, "the second pass is over", func() bool {
		_, err := n.PlanPushes(t.Context(), rules)
		require.NoError(t, err)
		return ask[int](t, conn, `SELECT count(*) FROM push_lanes`) == 0
	})
	require.Equal(t, 1200, ask[int](t, conn, `SELECT count(*) FROM push_notifications WHERE seq = $1`, second.Seq))
}

// A plan looks back as far as the jobs do, however far behind it is.
func TestPlanLooksBack(t *testing.T) {
	t.Parallel()
	n, conn := start(t)
	near, far := n.Group(t, "alice", "bob"), n.Group(t, "alice", "bob")
	register(t, n, "bob", "phone")
	for id, count := range map[domain.ConversationID]int{near: 400, far: 600} {
		n.Post(t, "alice", id, "m", "x")
		exec(t, conn, `INSERT INTO events (conversation_id, seq, message_no, at, type, sender, client_msg_id, body)
			SELECT $1, 2 + i, 1 + i, clock_timestamp(), 'message.posted', 'bob', 'b-' || i, '{"content":{"type":"text","text":"x"}}'
			FROM generate_series(1, $2::int) i`, id, count)
		exec(t, conn, `UPDATE conversations SET head_seq = 2 + $2 WHERE id = $1`, id, count)
		lane(t, conn, id, time.Second)
	}
	plan(t, n, conn)
	require.Equal(t, 1, notified(t, conn, near))
	require.Zero(t, notified(t, conn, far))
}

// A lane that cannot be planned does not hold up those that are due later. It is tried
// again.
func TestFailingLaneHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	n, conn := start(t)
	bad := n.Group(t, "alice", "bob")
	good := []domain.ConversationID{n.Group(t, "alice", "bob"), n.Group(t, "alice", "bob")}
	register(t, n, "bob", "phone")
	exec(t, conn, fmt.Sprintf(`
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON push_notifications FOR EACH ROW WHEN (NEW.conversation_id = '%s') EXECUTE FUNCTION refuse()`, bad))
	lanes := append([]domain.ConversationID{bad}, good...)
	for i, id := range lanes {
		n.Post(t, "alice", id, "m", "x")
		lane(t, conn, id, time.Minute-time.Duration(i)*time.Second)
	}
	time.Sleep(2 * rules.Delay)
	_, err := n.PlanPushes(t.Context(), rules)
	require.Error(t, err)
	require.True(t, ask[bool](t, conn, `SELECT due_at > clock_timestamp() FROM push_lanes WHERE conversation_id = $1`, bad))
	_, err = n.PlanPushes(t.Context(), rules)
	require.NoError(t, err)
	for _, id := range good {
		require.Equal(t, 1, notified(t, conn, id))
	}
	exec(t, conn, `DROP TRIGGER refuse ON push_notifications; UPDATE push_lanes SET due_at = clock_timestamp()`)
	plan(t, n, conn)
	require.Equal(t, 1, notified(t, conn, bad))
}

// What many have read is noted in an order, so that calls do not wait for each other in a
// circle.
func TestReadsInOrder(t *testing.T) {
	t.Parallel()
	n, conn := start(t)
	id := n.Group(t, "alice", "bob")
	const users = 1500 // and one with as many conversations
	crowd(t, conn, id, users)
	exec(t, conn, `INSERT INTO push_notifications (conversation_id, seq, sent_seq, due_at, user_id, device_id, provider, service)
		SELECT $1, 2, 2, 'infinity', user_id, device_id, provider, service FROM push_registrations`, id)
	exec(t, conn, `INSERT INTO push_notifications (conversation_id, seq, sent_seq, due_at, user_id, device_id, provider, service)
		SELECT gen_random_uuid(), 2, 2, 'infinity', user_id, device_id, provider, service FROM push_registrations, generate_series(1, 900)
		WHERE user_id = 'member-00001'`)
	rows, err := conn.Query(t.Context(), `SELECT user_id, conversation_id FROM push_notifications`)
	require.NoError(t, err)
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r domain.Receipt, err error) {
		r.ReadSeq = 2
		return r, row.Scan(&r.UserID, &r.ConversationID)
	})
	require.NoError(t, err)
	back := slices.Clone(list)
	slices.Reverse(back)
	for range 10 {
		done := make(chan error, 2)
		for _, l := range [][]domain.Receipt{list, back} {
			go func() { done <- n.PushRead(t.Context(), l) }()
		}
		for range 2 {
			require.NoError(t, storetest.Wait(t, done))
		}
		require.Zero(t, ask[int](t, conn, `SELECT count(*) FROM push_notifications WHERE due_at = 'infinity'`))
		exec(t, conn, `UPDATE push_notifications SET due_at = 'infinity'`)
	}
}

// The sweep deletes what no node claims, in portions, and waits for nothing.
func TestSweep(t *testing.T) {
	t.Parallel()
	n, conn := start(t)
	id := n.Group(t, "alice", "bob")
	crowd(t, conn, id, 4500)
	exec(t, conn, `INSERT INTO push_notifications (conversation_id, seq, due_at, user_id, device_id, provider, service)
		SELECT $1, 2, now() - interval '2 hours', user_id, device_id, provider, service FROM push_registrations`, id)
	exec(t, conn, `UPDATE push_notifications SET due_at = now() WHERE user_id = 'member-00001'`)
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `SELECT FROM push_notifications WHERE user_id = 'member-00002' FOR UPDATE`)
	require.NoError(t, err)
	require.NoError(t, n.SweepPushes(t.Context()))
	require.NoError(t, tx.Commit(t.Context()))
	require.Equal(t, []string{"member-00001", "member-00002"}, ask[[]string](t, conn, `SELECT array_agg(user_id ORDER BY user_id) FROM push_notifications`))
	exec(t, conn, `INSERT INTO revocations (user_id, before) SELECT user_id, now() FROM push_registrations WHERE user_id <> 'member-00001'`)
	require.NoError(t, n.SweepPushes(t.Context()))
	require.Equal(t, []string{"member-00001"}, ask[[]string](t, conn, `SELECT array_agg(user_id) FROM push_registrations`))
}
