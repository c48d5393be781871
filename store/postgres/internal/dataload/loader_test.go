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

// oracle answers a key with itself and with what was true when the query began. A
// query ends when it is told to.
type oracle struct {
	*Loader[int, prophecy]
	truth   int
	queries []*query
}

type query struct {
	keys []int
	ctx  context.Context
	end  chan error
}

type prophecy struct{ key, truth int }

func newOracle(atOnce, helping int) *oracle {
	o := &oracle{}
	o.Loader = New(atOnce, helping, func(ctx context.Context, key int) (prophecy, error) {
		list, err := o.answer(ctx, []int{key})
		return list[0], err
	}, o.answer)
	return o
}

// answer is begun by one at a time: the test waits for it before it goes on.
func (o *oracle) answer(ctx context.Context, keys []int) (list []prophecy, err error) {
	q := &query{keys: keys, ctx: ctx, end: make(chan error)}
	o.queries = append(o.queries, q)
	for _, key := range keys {
		list = append(list, prophecy{key, o.truth})
	}
	select {
	case err = <-q.end:
	case <-ctx.Done():
		err = pg.Translate(ctx.Err())
	}
	return list, err
}

type said struct {
	prophecy
	err error
}

// begin asks for keys, one after the other, and returns the answers to be.
func (o *oracle) begin(ctx context.Context, keys ...int) (answers []<-chan said) {
	for _, key := range keys {
		answer := make(chan said, 1)
		go func() {
			p, err := o.Load(ctx, key)
			answer <- said{p, err}
		}()
		synctest.Wait()
		answers = append(answers, answer)
	}
	return answers
}

// end ends the nth query.
func (o *oracle) end(n int, err error) {
	o.queries[n].end <- err
	synctest.Wait()
}

func (o *oracle) asked() (keys [][]int) {
	for _, q := range o.queries {
		keys = append(keys, q.keys)
	}
	return keys
}

// requireTold requires answers to keys from first on, and what was true.
func requireTold(t *testing.T, first, truth int, answers ...<-chan said) {
	t.Helper()
	for i, answer := range answers {
		require.Len(t, answer, 1, "an answer is due")
		require.Equal(t, said{prophecy: prophecy{first + i, truth}}, <-answer)
	}
}

func requireUnavailable(t *testing.T, answers ...<-chan said) {
	t.Helper()
	for _, answer := range answers {
		require.Len(t, answer, 1, "an answer is due")
		require.ErrorIs(t, (<-answer).err, domain.ErrUnavailable)
	}
}

func requireNone(t *testing.T, answers ...<-chan said) {
	t.Helper()
	for _, answer := range answers {
		require.Empty(t, answer)
	}
}

func TestGathererSharesQueries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOracle(3, 2)
		answers := o.begin(t.Context(), 0, 1, 2, 3, 4, 5, 6)
		require.Equal(t, [][]int{{0}, {1}}, o.asked(), "the first wait for nobody")
		o.end(0, nil)
		require.Equal(t, [][]int{{0}, {1}, {2, 3, 4}}, o.asked(), "no more than three in one")
		o.end(1, nil)
		require.Equal(t, [][]int{{0}, {1}, {2, 3, 4}, {5, 6}}, o.asked())
		requireNone(t, answers[2:]...)
		o.end(3, nil)
		requireNone(t, answers[2:5]...)
		o.end(2, nil)
		requireTold(t, 0, 0, answers...)
		o.Wait()

		alone := o.begin(t.Context(), 7)
		require.Equal(t, []int{7}, o.asked()[4], "at once again")
		o.end(4, nil)
		requireTold(t, 7, 0, alone...)
	})
}

// Who asks after something has happened is told of it: a query that was under way
// then is not good enough, one's own or a shared one.
func TestGathererAnswersAreNewerThanTheirQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOracle(8, 2)
		before := o.begin(t.Context(), 0, 1)
		o.truth = 1
		after := o.begin(t.Context(), 0, 1) // the same
		o.end(0, nil)
		o.truth = 2
		late := o.begin(t.Context(), 0, 1)
		o.end(2, nil)
		o.end(1, nil)
		o.end(3, nil)
		requireTold(t, 0, 0, before...)
		requireTold(t, 0, 1, after...)
		requireTold(t, 0, 2, late...)
	})
}

func TestGathererErrorIsThatOfAllWhoShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOracle(8, 2)
		first := o.begin(t.Context(), 0, 1)
		shared := o.begin(t.Context(), 2, 3, 4)
		o.end(0, nil)
		next := o.begin(t.Context(), 5)
		o.end(2, domain.ErrUnavailable)
		requireUnavailable(t, shared...)
		o.end(1, nil)
		o.end(3, nil)
		requireTold(t, 0, 0, first...)
		requireTold(t, 5, 0, next...)
	})
}

func TestGathererMissesAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOracle(8, 2)
		all := o.all
		o.all = func(ctx context.Context, keys []int) ([]prophecy, error) {
			list, err := all(ctx, keys)
			return list[1:], err
		}
		answers := o.begin(t.Context(), 0, 1, 2, 3)
		o.end(0, nil)
		o.end(1, nil)
		o.end(2, nil)
		requireTold(t, 0, 0, answers[:2]...)
		for _, answer := range answers[2:] {
			require.ErrorIs(t, (<-answer).err, domain.ErrInternal)
		}
	})
}

// Who does not wait any longer leaves at once, whether a query is under way or not,
// and takes nothing from the others.
func TestGathererLeaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOracle(8, 2)
		ctx, leave := context.WithCancel(t.Context())
		first := o.begin(t.Context(), 0, 1)
		waiting := o.begin(ctx, 2)
		leave()
		synctest.Wait()
		requireUnavailable(t, waiting...)
		requireUnavailable(t, o.begin(ctx, 3)...)

		ctx, leave = context.WithCancel(t.Context())
		sharing, staying := o.begin(ctx, 4, 5), o.begin(t.Context(), 6)
		o.end(0, nil)
		require.Equal(t, []int{4, 5, 6}, o.asked()[2], "who has left is not asked for")
		leave()
		synctest.Wait()
		requireUnavailable(t, sharing...)
		require.NoError(t, o.queries[2].ctx.Err(), "somebody still waits for it")
		o.end(2, nil)
		requireTold(t, 6, 0, staying...)
		o.end(1, nil)
		requireTold(t, 0, 0, first...)
		requireUnavailable(t, o.begin(ctx, 7)...)
		require.Len(t, o.queries, 3, "nothing is asked for who is gone already")
	})
}

// What nobody waits for any more ends.
func TestGathererAllLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOracle(8, 2)
		first := o.begin(t.Context(), 0, 1)
		ctx, leave := context.WithCancel(t.Context())
		sharing := o.begin(ctx, 2, 3)
		o.end(0, nil)
		require.Len(t, o.queries, 3)
		leave()
		synctest.Wait()
		requireUnavailable(t, sharing...)
		require.Error(t, o.queries[2].ctx.Err())
		o.end(1, nil)
		requireTold(t, 0, 0, first...)
		o.Wait()
	})
}

// Queries that hang hold up the others for a moment only, and nobody for longer
// than a read may take.
func TestGathererHeldUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOracle(8, 3)
		hanging := o.begin(t.Context(), 0, 1)
		held := o.begin(t.Context(), 2, 3)
		time.Sleep(heldUpAfter)
		synctest.Wait()
		require.Equal(t, [][]int{{0}, {1}, {2, 3}}, o.asked())
		later := o.begin(t.Context(), 4)
		time.Sleep(heldUpAfter)
		synctest.Wait()
		require.Len(t, o.queries, 3, "no more than three at a time")
		o.end(2, nil)
		requireTold(t, 2, 0, held...)
		require.Equal(t, []int{4}, o.asked()[3])

		left := o.begin(t.Context(), 5)
		time.Sleep(answerTimeout - time.Millisecond)
		synctest.Wait()
		requireNone(t, left...)
		time.Sleep(time.Millisecond)
		synctest.Wait()
		requireUnavailable(t, later...)
		requireUnavailable(t, left...)
		o.end(0, nil)
		o.end(1, nil)
		requireTold(t, 0, 0, hanging...)
		o.Wait()
	})
}
