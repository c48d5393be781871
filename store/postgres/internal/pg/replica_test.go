package pg

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"im/domain"
)

// A URL of standbys has what that of the primary says, and refuses what contradicts it.
func TestParseReplicaURL(t *testing.T) {
	t.Parallel()
	primary, err := ParseURL(base+"&search_path=chat", "im/node1")
	require.NoError(t, err)
	for _, parameters := range []string{
		"", "&search_path=chat", "&target_session_attrs=any", "&target_session_attrs=standby", "&target_session_attrs=prefer-standby", "&target_session_attrs=read-only",
	} {
		c, err := ParseReplicaURL(base+parameters, "im/node1", primary)
		require.NoError(t, err, parameters)
		require.Equal(t, "chat", c.Schema())
	}
	for parameters, reason := range map[string]string{
		"&target_session_attrs=read-write": "target_session_attrs=read-write", "&target_session_attrs=primary": "target_session_attrs=primary",
		"&search_path=other": "search_path", "&lock_timeout=7s": "lock_timeout",
	} {
		_, err := ParseReplicaURL(base+parameters, "im/node1", primary)
		require.ErrorIs(t, err, ErrConfig)
		require.ErrorContains(t, err, reason)
	}
}

// Callers share questions, and none gets the answer to one that began before its call.
func TestFrontier(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		committed, questions := 0, 0
		f := &frontier{ask: func(context.Context) (position, error) {
			mu.Lock()
			questions++
			p := position{lsn: strconv.Itoa(committed)}
			mu.Unlock()
			time.Sleep(10 * time.Millisecond) // the answer was taken before, and is on its way
			return p, nil
		}}
		const callers = 100
		var calls sync.WaitGroup
		for i := range callers {
			calls.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				mu.Lock()
				committed++
				own := committed
				mu.Unlock()
				p, err := f.get(t.Context())
				require.NoError(t, err)
				seen, err := strconv.Atoi(p.lsn)
				require.NoError(t, err)
				require.GreaterOrEqual(t, seen, own)
			})
		}
		calls.Wait()
		require.Less(t, questions, callers/5)
	})
}

// A question that fails fails for those who wait for it, and no longer.
func TestFrontierFails(t *testing.T) {
	t.Parallel()
	fail := true
	f := &frontier{ask: func(context.Context) (position, error) {
		if fail {
			return position{}, io.EOF
		}
		return position{epoch: "e"}, nil
	}}
	_, err := f.get(t.Context())
	require.ErrorIs(t, err, io.EOF)
	fail = false
	p, err := f.get(t.Context())
	require.NoError(t, err)
	require.Equal(t, "e", p.epoch)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	hanging := &frontier{ask: func(ctx context.Context) (position, error) { <-ctx.Done(); return position{}, ctx.Err() }}
	_, err = hanging.get(ended)
	require.ErrorIs(t, err, context.Canceled)
}

// What the replica may answer, and what the primary has to be asked for.
func TestIsAnswer(t *testing.T) {
	t.Parallel()
	for _, err := range []error{nil, domain.ErrNotFound, pgx.ErrNoRows, &pgconn.PgError{Code: StateCanceled}} {
		require.True(t, isAnswer(err), "%v", err)
	}
	for _, err := range []error{
		&pgconn.PgError{Code: StateSerialization}, // a conflict with recovery
		&pgconn.PgError{Code: StateDeadlock},      // likewise, of a buffer
		&pgconn.PgError{Code: "57P01", Severity: "FATAL"}, &pgconn.PgError{Code: StateReadOnly}, &pgconn.PgError{Code: StateNoTable},
		io.ErrUnexpectedEOF, context.DeadlineExceeded, errors.New("something else"),
	} {
		require.False(t, isAnswer(err), "%v", err)
	}
}

// The states of replica: one read at a time tries it after a rest, which gets longer.
func TestReplicaRests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &replica{logger: slog.New(slog.DiscardHandler)}
		requireBegin := func(ready, trial bool) {
			t.Helper()
			gotReady, gotTrial := r.begin()
			require.Equal(t, []bool{ready, trial}, []bool{gotReady, gotTrial})
		}
		requireBegin(true, false)
		requireBegin(true, false) // two reads at the same time
		r.end(t.Context(), false, isBehind, errBehind)
		r.end(t.Context(), false, isBehind, errBehind)
		requireBegin(false, false)
		time.Sleep(shortestRest)
		requireBegin(true, true)
		requireBegin(false, false) // one tries
		r.end(t.Context(), true, hasFailed, io.EOF)
		for rest := 2 * shortestRest; rest < 4*longestRest; rest *= 2 {
			requireBegin(false, false)
			time.Sleep(min(rest, longestRest) - time.Nanosecond)
			requireBegin(false, false)
			time.Sleep(time.Nanosecond)
			requireBegin(true, true)
			r.end(t.Context(), true, saysNothing, context.Canceled)
			requireBegin(true, true) // the next one tries at once
			r.end(t.Context(), true, isUnusable, errNoStandby)
		}
		time.Sleep(longestRest)
		requireBegin(true, true)
		r.end(t.Context(), true, onReplica, nil)
		requireBegin(true, false)
		r.end(t.Context(), false, onReplica, nil)
		requireBegin(true, false)
	})
}
