package verify

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// logStart is the time at which the logs of these tests start.
func logStart() time.Time { return time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC) }

// newEvent returns an event, one second after the previous one.
func newEvent(seq int64, kind, sender, id string, fields map[string]any) event {
	text, _ := json.Marshal(fields)
	return event{ConversationID: "c", Seq: seq, Type: kind, Sender: sender, ClientMsgID: id, At: logStart().Add(time.Duration(seq) * time.Second), Body: text}
}

func said(seq int64, sender, id, words string, mentions ...string) event {
	fields := map[string]any{"content": map[string]any{"type": "text", "text": words}}
	if len(mentions) > 0 {
		fields["mentions"] = mentions
	}
	return newEvent(seq, posted, sender, id, fields)
}

func founded(members ...string) event {
	list := []map[string]any{}
	for _, m := range members {
		list = append(list, map[string]any{"user_id": m, "role": "member"})
	}
	return newEvent(1, created, members[0], "", map[string]any{"kind": "group", "members": list})
}

func logOf(events ...event) *history {
	h := &history{id: "c"}
	for i := range events {
		h.add(&events[i])
	}
	h.claimed = h.head()
	return h
}

func kindsOf(list []Breach) (kinds []string) {
	for _, b := range list {
		kinds = append(kinds, b.Invariant)
	}
	slices.Sort(kinds)
	return kinds
}

func TestCheckLog(t *testing.T) {
	t.Parallel()
	back := said(3, "a", "a.2", "x")
	back.At = logStart()
	cut := logOf(founded("a"), said(2, "a", "a.1", "x"))
	cut.claimed = 3
	for name, c := range map[string]struct {
		log  *history
		want int
	}{
		"dense":           {logOf(founded("a"), said(2, "a", "a.1", "x"), said(3, "a", "a.2", "x")), 0},
		"a hole":          {logOf(founded("a"), said(3, "a", "a.2", "x")), 1},
		"begins late":     {logOf(said(2, "a", "a.1", "x")), 1},
		"twice one seq":   {logOf(founded("a"), said(2, "a", "a.1", "x"), said(2, "a", "a.2", "x")), 1},
		"time goes back":  {logOf(founded("a"), said(2, "a", "a.1", "x"), back), 1},
		"ends too early":  {cut, 1},
		"nothing, empty":  {logOf(), 0},
		"swapped in time": {logOf(founded("a"), said(3, "a", "a.2", "x"), said(2, "a", "a.1", "x")), 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := c.log.check()
			require.Len(t, found, c.want, "%v", found)
			for _, b := range found {
				require.Equal(t, "I2", b.Invariant)
			}
		})
	}
}

func TestCheckWitness(t *testing.T) {
	t.Parallel()
	true2 := said(2, "a", "a.1", "x", "b")
	erased := newEvent(2, posted, "a", "a.1", map[string]any{"content": nil})
	altered := said(2, "a", "a.1", "y", "b")
	other := said(2, "b", "b.1", "x")
	recalled := logOf(founded("a", "b"), erased, newEvent(3, recall, "a", "", map[string]any{"target_seq": 2}))
	whole := logOf(founded("a", "b"), true2)
	for name, c := range map[string]struct {
		log  *history
		seen []event
		by   source
		want []string
	}{
		"the same":                       {whole, []event{founded("a", "b"), true2, true2}, byPush, nil},
		"another content":                {whole, []event{altered}, byPush, []string{"I5"}},
		"another content after the true": {whole, []event{true2, altered}, byPush, []string{"I5"}},
		"another event":                  {whole, []event{other}, byPull, []string{"I5"}},
		"not in the log":                 {whole, []event{said(9, "a", "a.9", "x")}, byPush, []string{"I5"}},
		"answered, not in the log":       {whole, []event{said(9, "a", "a.9", "x")}, byAnswer, []string{"I1"}},
		"impossible seqs":                {whole, []event{said(-1, "a", "a.9", "x"), said(1<<50, "a", "a.9", "x")}, byPush, []string{"I5", "I5"}},
		"seen before the recall":         {recalled, []event{true2, erased}, byPush, nil},
		"seen after the recall first":    {recalled, []event{erased, true2}, byPush, nil},
		"two contents before the recall": {recalled, []event{erased, true2, other}, byPush, []string{"I5"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newObservations()
			n := w.client("client")
			for i := range c.seen {
				w.add(&c.seen[i], n, c.by, time.Now())
			}
			found := w.check("c", c.log)
			require.Equal(t, c.want, kindsOf(found))
			for _, b := range found {
				require.Equal(t, "client", b.Client)
			}
		})
	}
}

func TestCheckSends(t *testing.T) {
	t.Parallel()
	answered := func(seq int64) *outcome {
		return &outcome{conversation: "c", clientMsgID: "a.1", seq: seq, at: logStart().Add(time.Duration(seq) * time.Second)}
	}
	again := answered(2)
	again.duplicate = true
	late := answered(2)
	late.at = logStart()
	silent, no := &outcome{unknown: true}, &outcome{code: "forbidden"}
	once := []event{founded("a"), said(2, "a", "a.1", "x")}
	for name, c := range map[string]struct {
		log      []event
		outcomes []*outcome
		epoch    int // at the end; the answers are of 1
		want     []string
	}{
		"answered and there":           {once, []*outcome{answered(2)}, 1, nil},
		"answered twice":               {once, []*outcome{answered(2), again}, 1, nil},
		"answered as new twice":        {once, []*outcome{answered(2), answered(2)}, 1, []string{"I3"}},
		"answered with two seqs":       {once, []*outcome{answered(2), answered(3)}, 1, []string{"I1", "I3", "I3"}},
		"answered, not there":          {once[:1], []*outcome{answered(2)}, 1, []string{"I1"}},
		"lost with the epoch":          {once[:1], []*outcome{answered(2)}, 2, nil},
		"kept, at another seq":         {once, []*outcome{answered(7)}, 2, []string{"I1"}},
		"kept, at another time":        {once, []*outcome{late}, 2, []string{"I1"}},
		"lost, and sent again":         {once, []*outcome{silent, answered(7)}, 2, nil},
		"lost, sent again, same seq":   {once, []*outcome{silent, late}, 2, nil},
		"answered with another seq":    {once, []*outcome{answered(7)}, 1, []string{"I1"}},
		"answered with another time":   {once, []*outcome{late}, 1, []string{"I1"}},
		"another content is there":     {[]event{founded("a"), said(2, "a", "a.1", "y")}, []*outcome{answered(2)}, 1, []string{"I1"}},
		"there twice":                  {[]event{once[0], once[1], said(3, "a", "a.1", "x")}, []*outcome{answered(2)}, 1, []string{"I3"}},
		"no answer, not there":         {once[:1], []*outcome{silent}, 1, nil},
		"no answer, there once":        {once, []*outcome{silent}, 1, nil},
		"no answer, there twice":       {[]event{once[0], once[1], said(3, "a", "a.1", "x")}, []*outcome{silent}, 1, []string{"I3"}},
		"refused, not there":           {once[:1], []*outcome{no}, 1, nil},
		"refused, and there":           {once, []*outcome{no}, 1, []string{"I3"}},
		"no answer, refused, there":    {once, []*outcome{silent, no}, 1, nil},
		"never sent":                   {[]event{once[0], once[1], said(3, "a", "a.7", "x")}, []*outcome{answered(2)}, 1, []string{"I3"}},
		"sent by another user":         {[]event{once[0], once[1], said(3, "b", "a.1", "x")}, []*outcome{answered(2)}, 1, []string{"I3"}},
		"an unrequested change":        {append(slices.Clone(once), newEvent(3, recall, "a", "", map[string]any{"target_seq": 2})), []*outcome{answered(2)}, 1, []string{"I3"}},
		"an unrequested reaction":      {append(slices.Clone(once), newEvent(3, reacted, "a", "", map[string]any{"target_seq": 2, "emoji": "x"})), []*outcome{answered(2)}, 1, []string{"I3"}},
		"a reaction that is asked for": {append(slices.Clone(once), newEvent(3, reacted, "a", "", map[string]any{"target_seq": 2, "emoji": "👍"})), []*outcome{answered(2)}, 1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			books := new(tally)
			books.report.Faults = map[string]int64{}
			u := &user{name: "a"}
			l := newLedger(books, []*user{u})
			l.change("c", reacted, "a", "2👍")
			s, id := l.begin(u, "c")
			require.Equal(t, "a.1", id)
			s.content = contentHash(messageBody(map[string]any{"content": map[string]any{"type": "text", "text": "x"}}))
			l.attempt(s, int16(len(c.outcomes)))
			for _, o := range c.outcomes {
				l.settle(s, id, "a/d", 1, o)
			}
			found := slices.Concat(l.checkLog(logOf(c.log...), c.epoch), l.check(c.epoch), books.report.Breaches)
			require.Equal(t, c.want, kindsOf(found), "%v", found)
			require.Equal(t, name == "lost with the epoch", books.report.Lost == 1)
		})
	}
}

func TestCheckOrder(t *testing.T) {
	t.Parallel()
	order := func(seqs ...int64) []Breach {
		var list []ordered
		for i, seq := range seqs {
			list = append(list, ordered{uint32(i), &entry{seq: seq}})
		}
		slices.Reverse(list)
		return checkOrder("c", map[uint32][]ordered{1: list, 2: {{9, &entry{seq: 1}}}})
	}
	require.Empty(t, order(2, 3, 9))
	require.Equal(t, []string{"rule2"}, kindsOf(order(2, 9, 3)))
}

func TestCheckSession(t *testing.T) {
	t.Parallel()
	log := logOf(founded("a", "b"), said(2, "a", "a.1", "x"), said(3, "a", "a.2", "x"), said(4, "a", "a.3", "x"),
		newEvent(5, removed, "a", "", map[string]any{"user_id": "b"}), said(6, "a", "a.4", "x"),
		newEvent(7, added, "a", "", map[string]any{"user_id": "b", "role": "member"}), said(8, "a", "a.5", "x"))
	since := func(seq int64) time.Time { return logStart().Add(time.Duration(seq) * time.Second) }
	at := func(base, first, last int64) *pushSpan { return &pushSpan{base: base, first: first, last: last} }
	for name, c := range map[string]struct {
		spans   []*pushSpan
		began   int64
		heard   int64
		checked int64
		want    []string
	}{
		"everything":              {[]*pushSpan{at(2, 3, 5), at(-1, 7, 8)}, 2, 100, 5, nil},
		"the last one is missing": {[]*pushSpan{at(2, 3, 5), at(-1, 7, 7)}, 2, 100, 5, []string{"I6"}},
		"the removal is missing":  {[]*pushSpan{at(2, 3, 4), at(-1, 7, 8)}, 2, 100, 5, []string{"I6"}},
		"nothing came":            {[]*pushSpan{at(2, 0, 0)}, 2, 100, 5, []string{"I6", "I6"}},
		"it ended before":         {[]*pushSpan{at(2, 0, 0)}, 2, 5, 0, nil},
		"it ended in between":     {[]*pushSpan{at(2, 3, 3)}, 2, 6, 1, nil},
		"a hole at the beginning": {[]*pushSpan{at(2, 4, 5), at(-1, 7, 8)}, 2, 100, 5, []string{"I4"}},
		"a gap says it":           {[]*pushSpan{{base: 2, gap: 5, gaps: []gap{{0, 5}}}, at(-1, 7, 8)}, 2, 100, 5, nil},
		"a gap over the removal":  {[]*pushSpan{{base: 2, first: 3, last: 3, gap: 5, gaps: []gap{{3, 5}}}, at(-1, 7, 8)}, 2, 100, 5, nil},
		"a gap not up to it":      {[]*pushSpan{{base: 2, first: 3, last: 3, gap: 4, gaps: []gap{{3, 4}}}, at(-1, 7, 8)}, 2, 100, 5, []string{"I6"}},
		"a gap over the return":   {[]*pushSpan{{base: 2, first: 3, last: 8, gap: 7, gaps: []gap{{3, 7}}}}, 2, 100, 5, nil},
		"pushed in between":       {[]*pushSpan{{base: 2, first: 3, last: 8, gap: 5, gaps: []gap{{3, 5}}}}, 2, 100, 5, []string{"I6", "I8"}},
		"the joining is missing":  {[]*pushSpan{at(2, 3, 5), at(-1, 8, 8)}, 2, 100, 5, []string{"I4"}},
		"not a member in between": {[]*pushSpan{at(2, 3, 6), at(-1, 7, 8)}, 2, 100, 5, []string{"I8"}},
		"it began at the joining": {[]*pushSpan{at(-1, 8, 8)}, 7, 100, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := sessionRecord{user: "b", name: "b/d", began: since(c.began), lastFrame: since(c.heard), resumed: since(c.began), spans: map[string][]*pushSpan{"c": c.spans}}
			checked, found := x.check(log, log.memberships()["b"], since, new(clock), 2*time.Second)
			require.Equal(t, c.want, kindsOf(found), "%v", found)
			require.Equal(t, c.checked, checked)
		})
	}
	t.Run("in and out", func(t *testing.T) {
		t.Parallel()
		h := logOf(founded("a"), newEvent(2, added, "a", "", map[string]any{"user_id": "b", "role": "member"}),
			said(3, "a", "a.1", "x"), newEvent(4, removed, "a", "", map[string]any{"user_id": "b"}), said(5, "a", "a.2", "x"))
		for name, c := range map[string]struct {
			spans []*pushSpan
			want  []string
		}{
			"nothing was pushed":     {nil, []string{"I6"}},
			"the removal was missed": {[]*pushSpan{at(2, 3, 3)}, []string{"I6"}},
			"a gap and the removal":  {[]*pushSpan{{base: -1, first: 4, last: 4, gap: 3, gaps: []gap{{0, 3}}}}, nil},
		} {
			x := sessionRecord{user: "b", began: logStart().Add(-time.Minute), lastFrame: since(100), spans: map[string][]*pushSpan{"c": c.spans}}
			_, found := x.check(h, h.memberships()["b"], since, new(clock), 2*time.Second)
			require.Equal(t, c.want, kindsOf(found), "%s: %v", name, found)
		}
		// The clock of the database was ahead when they were committed: they were known before the session began.
		x := sessionRecord{user: "b", began: logStart().Add(-time.Minute), lastFrame: since(100)}
		_, found := x.check(h, h.memberships()["b"], func(int64) time.Time { return logStart().Add(-2 * time.Minute) }, new(clock), 2*time.Second)
		require.Empty(t, found)
	})
	t.Run("a stranger", func(t *testing.T) {
		t.Parallel()
		x := sessionRecord{user: "z", spans: map[string][]*pushSpan{"c": {at(-1, 3, 3)}}}
		_, found := x.check(log, nil, since, new(clock), time.Second)
		require.Equal(t, []string{"I8"}, kindsOf(found))
	})
}

func TestCheckUnread(t *testing.T) {
	t.Parallel()
	log := logOf(founded("a", "b"), said(2, "a", "a.1", "x", "b"), said(3, "a", "a.2", "x", "*"), said(4, "b", "b.1", "x"), said(5, "a", "a.3", "x"),
		said(6, "a", "a.4", "x", "b"), newEvent(7, recall, "a", "", map[string]any{"target_seq": 6}),
		newEvent(8, edited, "a", "", map[string]any{"target_seq": 5, "content": map[string]any{"type": "text", "text": "y"}, "mentions": []string{"b"}}))
	for name, c := range map[string]struct {
		claim claim
		mark  readMark
		want  int
	}{
		"true":                      {claim{user: "b", head: 8, read: 4, unread: 1, mention: 1}, readMark{}, 0},
		"as of an earlier head":     {claim{user: "b", head: 6, read: 4, unread: 2, mention: 1}, readMark{}, 0},
		"one too many":              {claim{user: "b", head: 8, read: 4, unread: 2, mention: 1}, readMark{}, 1},
		"a mention too few":         {claim{user: "b", head: 8, read: 4, unread: 1}, readMark{}, 1},
		"read went back":            {claim{user: "b", head: 8, read: 3, unread: 1, mention: 1}, readMark{}, 1},
		"read what it did not read": {claim{user: "b", head: 8, read: 5}, readMark{}, 1},
		"read it":                   {claim{user: "b", head: 8, read: 5}, readMark{answered: 5, tried: 5}, 0},
		"perhaps read it":           {claim{user: "b", head: 8, read: 4, unread: 1, mention: 1}, readMark{tried: 5}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := checkUnread(log, log.memberships(), []claim{c.claim}, map[string]readMark{"b": c.mark})
			require.Len(t, found, c.want, "%v", found)
		})
	}
}

func TestCheckPage(t *testing.T) {
	t.Parallel()
	rangeOf := func(from, to, head int64, more bool) *page {
		p := &page{FromSeq: from, ToSeq: to, HeadSeq: head, HasMore: more, FloorSeq: 1}
		for seq := from; seq <= to; seq++ {
			p.Events = append(p.Events, event{ConversationID: "c", Seq: seq})
		}
		return p
	}
	holed := rangeOf(3, 6, 6, false)
	holed.Events = slices.Delete(holed.Events, 1, 2)
	for name, c := range map[string]struct {
		page          *page
		after, before int64
		wrong         bool
	}{
		"the rest":             {rangeOf(3, 6, 6, false), 2, 0, false},
		"a part":               {rangeOf(3, 5, 6, true), 2, 0, false},
		"before":               {rangeOf(3, 5, 9, true), 0, 6, false},
		"beyond the head":      {&page{HeadSeq: 6}, 6, 0, false},
		"a hole":               {holed, 2, 0, true},
		"begins late":          {rangeOf(4, 6, 6, false), 2, 0, true},
		"ends early":           {rangeOf(3, 5, 6, false), 2, 0, true},
		"empty below the head": {&page{HeadSeq: 6}, 2, 0, true},
		"before, with a hole":  {rangeOf(3, 4, 9, true), 0, 6, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.wrong, len(c.page.violations("c", c.after, c.before)) > 0, "%v", c.page.violations("c", c.after, c.before))
		})
	}
}

// TestText checks that the report is aligned and bounded in length.
func TestText(t *testing.T) {
	t.Parallel()
	r := &Report{Sends: 1234567, Sockets: true, Faults: map[string]int64{"close 4000": 2}}
	require.Contains(t, r.Text(), "PASSED")
	require.Contains(t, r.Text(), "1,234,567")
	require.Contains(t, r.Text(), "close 4000")
	require.True(t, r.OK())
	r.Unfinished = []string{"a log could not be read"}
	require.False(t, r.OK())
	require.Contains(t, r.Text(), "UNFINISHED")
	tally := tally{report: *r}
	for n := range 2000 {
		tally.breach(Breach{Invariant: "I4", ConversationID: "c", Seq: int64(n), Client: "u/d#1", Text: fmt.Sprint("breach number ", n)})
	}
	tally.breach(Breach{Invariant: "I2", Text: "a rare one"})
	r = &tally.report
	require.Len(t, r.Breaches, keptBreaches+1)
	text := r.Text()
	require.Contains(t, text, "FAILED: 2,001 breaches")
	require.Contains(t, text, "I2 1   I4 2,000")
	require.Contains(t, text, "breach number 9\n")
	require.NotContains(t, text, "breach number 10\n")
	require.Contains(t, text, "a rare one")
	require.Contains(t, text, "1,990 more")
	decoded := new(Report)
	raw, err := r.JSON()
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, decoded))
	require.Equal(t, r, decoded)
}

func TestHistogram(t *testing.T) {
	t.Parallel()
	h := new(histogram)
	for n := range 1000 {
		h.add(time.Duration(n+1) * time.Millisecond)
	}
	got := h.latency()
	require.InEpsilon(t, 500, float64(got.P50), 0.06)
	require.InEpsilon(t, 990, float64(got.P99), 0.06)
	require.InEpsilon(t, 1000, float64(got.Max), 0.001)
	require.Equal(t, Latency{}, new(histogram).latency())
}

func noToken(context.Context) (string, error) { return "", errNoTarget }

func TestOptions(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{
		"nothing":        {},
		"no token":       {URLs: []string{"http://x"}},
		"negative users": {URLs: []string{"http://x"}, ServerToken: noToken, Users: -1},
		"too few":        {URLs: []string{"http://x"}, ServerToken: noToken, Users: 2},
	} {
		_, err := Run(t.Context(), o)
		require.Error(t, err, name)
	}
}
