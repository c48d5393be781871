package dataload

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"im/domain"
	"im/store/postgres/internal/pg"
)

// source is a database whose queries end when the test ends them. It answers each key
// with the revision that was current when the query began.
type source struct {
	*Loader[int, row]
	revision int
	queries  []*query
}

type query struct {
	keys []int
	ctx  context.Context
	end  chan error
}

type row struct{ key, revision int }

func newSource(maxKeys, maxInFlight int) *source {
	s := &source{}
	s.Loader = New(maxKeys, maxInFlight, s.answer)
	return s
}

// answer runs for one query at a time: the test waits until it has begun.
func (s *source) answer(ctx context.Context, keys []int) (list []row, err error) {
	q := &query{keys: keys, ctx: ctx, end: make(chan error)}
	s.queries = append(s.queries, q)
	for _, key := range keys {
		list = append(list, row{key, s.revision})
	}
	select {
	case err = <-q.end:
	case <-ctx.Done():
		err = pg.Translate(ctx.Err())
	}
	return list, err
}

type result struct {
	row
	err error
}

// begin loads keys, one after the other, and returns the channels of the results.
func (s *source) begin(ctx context.Context, keys ...int) (results []<-chan result) {
	for _, key := range keys {
		answer := make(chan result, 1)
		go func() {
			r, err := s.Load(ctx, key)
			answer <- result{r, err}
		}()
		synctest.Wait()
		results = append(results, answer)
	}
	return results
}

// end ends the nth query.
func (s *source) end(n int, err error) {
	s.queries[n].end <- err
	synctest.Wait()
}

// asked returns the keys of each query.
func (s *source) asked() (keys [][]int) {
	for _, q := range s.queries {
		keys = append(keys, q.keys)
	}
	return keys
}

// requireRows requires results for ascending keys from first on, as of revision.
func requireRows(t *testing.T, first, revision int, results ...<-chan result) {
	t.Helper()
	for i, r := range results {
		require.Len(t, r, 1, "no result")
		require.Equal(t, result{row: row{first + i, revision}}, <-r)
	}
}

func requireUnavailable(t *testing.T, results ...<-chan result) {
	t.Helper()
	for _, r := range results {
		require.Len(t, r, 1, "no result")
		require.ErrorIs(t, (<-r).err, domain.ErrUnavailable)
	}
}

func requirePending(t *testing.T, results ...<-chan result) {
	t.Helper()
	for _, r := range results {
		require.Empty(t, r)
	}
}

func TestLoadsShareQueries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(3, 2)
		results := s.begin(t.Context(), 0, 1, 2, 3, 4, 5, 6)
		require.Equal(t, [][]int{{0}, {1}}, s.asked(), "the first two run at once")
		s.end(0, nil)
		require.Equal(t, [][]int{{0}, {1}, {2, 3, 4}}, s.asked(), "no more than three in one")
		s.end(1, nil)
		require.Equal(t, [][]int{{0}, {1}, {2, 3, 4}, {5, 6}}, s.asked())
		requirePending(t, results[2:]...)
		s.end(3, nil)
		requirePending(t, results[2:5]...)
		s.end(2, nil)
		requireRows(t, 0, 0, results...)
		s.Wait()

		alone := s.begin(t.Context(), 7)
		require.Equal(t, []int{7}, s.asked()[4], "at once again")
		s.end(4, nil)
		requireRows(t, 7, 0, alone...)
	})
}

// A load after a change sees it: a query that was already running is not good enough,
// whether it runs alone or for a batch.
func TestLoadsAreFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(8, 2)
		before := s.begin(t.Context(), 0, 1)
		s.revision = 1
		after := s.begin(t.Context(), 0, 1) // the same
		s.end(0, nil)
		s.revision = 2
		late := s.begin(t.Context(), 0, 1)
		s.end(2, nil)
		s.end(1, nil)
		s.end(3, nil)
		requireRows(t, 0, 0, before...)
		requireRows(t, 0, 1, after...)
		requireRows(t, 0, 2, late...)
	})
}

func TestLoadsOfABatchShareItsError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(8, 2)
		first := s.begin(t.Context(), 0, 1)
		shared := s.begin(t.Context(), 2, 3, 4)
		s.end(0, nil)
		next := s.begin(t.Context(), 5)
		s.end(2, domain.ErrUnavailable)
		requireUnavailable(t, shared...)
		s.end(1, nil)
		s.end(3, nil)
		requireRows(t, 0, 0, first...)
		requireRows(t, 5, 0, next...)
	})
}

func TestQueryReturnsTooFewValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(8, 2)
		query := s.query
		s.query = func(ctx context.Context, keys []int) ([]row, error) {
			list, err := query(ctx, keys)
			return list[:min(len(list), 1)], err
		}
		results := s.begin(t.Context(), 0, 1, 2, 3)
		s.end(0, nil)
		s.end(1, nil)
		s.end(2, nil)
		requireRows(t, 0, 0, results[:2]...)
		for _, r := range results[2:] {
			require.ErrorIs(t, (<-r).err, domain.ErrInternal)
		}
	})
}

// A canceled load returns at once, whether its query runs or not, and the other loads
// of the batch get their results.
func TestCanceledLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(8, 2)
		ctx, leave := context.WithCancel(t.Context())
		first := s.begin(t.Context(), 0, 1)
		waiting := s.begin(ctx, 2)
		leave()
		synctest.Wait()
		requireUnavailable(t, waiting...)
		requireUnavailable(t, s.begin(ctx, 3)...)

		ctx, leave = context.WithCancel(t.Context())
		sharing, staying := s.begin(ctx, 4, 5), s.begin(t.Context(), 6)
		s.end(0, nil)
		require.Equal(t, []int{4, 5, 6}, s.asked()[2], "canceled loads are not queried")
		leave()
		synctest.Wait()
		requireUnavailable(t, sharing...)
		require.NoError(t, s.queries[2].ctx.Err(), "one load still waits for it")
		s.end(2, nil)
		requireRows(t, 6, 0, staying...)
		s.end(1, nil)
		requireRows(t, 0, 0, first...)
		requireUnavailable(t, s.begin(ctx, 7)...)
		require.Len(t, s.queries, 3, "no query for a load that was canceled before")
	})
}

func TestQueryEndsWhenAllItsLoadsAreCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(8, 2)
		first := s.begin(t.Context(), 0, 1)
		ctx, leave := context.WithCancel(t.Context())
		sharing := s.begin(ctx, 2, 3)
		s.end(0, nil)
		require.Len(t, s.queries, 3)
		leave()
		synctest.Wait()
		requireUnavailable(t, sharing...)
		require.Error(t, s.queries[2].ctx.Err())
		s.end(1, nil)
		requireRows(t, 0, 0, first...)
		s.Wait()
	})
}

// Queries that hang delay the others for a moment only, and no load takes longer than
// a read.
func TestSlowQueries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource(8, 3)
		hanging := s.begin(t.Context(), 0, 1)
		held := s.begin(t.Context(), 2, 3)
		time.Sleep(slowAfter)
		synctest.Wait()
		require.Equal(t, [][]int{{0}, {1}, {2, 3}}, s.asked())
		later := s.begin(t.Context(), 4)
		time.Sleep(slowAfter)
		synctest.Wait()
		require.Len(t, s.queries, 3, "no more than three at a time")
		s.end(2, nil)
		requireRows(t, 2, 0, held...)
		require.Equal(t, []int{4}, s.asked()[3])

		left := s.begin(t.Context(), 5)
		time.Sleep(loadTimeout - time.Millisecond)
		synctest.Wait()
		requirePending(t, left...)
		time.Sleep(time.Millisecond)
		synctest.Wait()
		requireUnavailable(t, later...)
		requireUnavailable(t, left...)
		s.end(0, nil)
		s.end(1, nil)
		requireRows(t, 0, 0, hanging...)
		s.Wait()
	})
}
