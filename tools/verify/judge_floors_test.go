package verify

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// guarded is a log whose members may read from their joining on: b was in from 3 to 7,
// and is again from 9 on. What is at 4 was recalled.
func guarded() *history {
	first := happened(1, created, "a", "", map[string]any{
		"kind": "group", "members": []map[string]any{{"user_id": "a", "role": "owner"}}, "settings": map[string]any{"history": "since_join"},
	})
	joined := func(seq int64) event {
		return happened(seq, added, "b", "", map[string]any{"user_id": "b", "role": "member"})
	}
	return logOf(first, said(2, "a", "a.1", "x"), joined(3), happened(4, posted, "a", "a.2", map[string]any{"content": nil}),
		changed(5, 2), changed(6, 6), happened(7, removed, "a", "", map[string]any{"user_id": "b"}), said(8, "a", "a.3", "x"),
		joined(9), said(10, "a", "a.4", "x"))
}

// changed is an edit.
func changed(seq, target int64) event {
	return happened(seq, edited, "a", "", map[string]any{"target_seq": target, "content": map[string]any{"type": "text", "text": "y"}})
}

func TestJudgeFloors(t *testing.T) {
	t.Parallel()
	h := guarded()
	type told struct{ floor, head int64 }
	for name, c := range map[string]struct {
		user string
		told []told
		bare []int64
		want []string
	}{
		"each stay's own":                 {"b", []told{{3, 3}, {3, 6}, {9, 9}, {9, 10}}, nil, nil},
		"the founder's":                   {"a", []told{{1, 1}, {1, 10}}, nil, nil},
		"none":                            {"b", []told{{1, 10}}, nil, []string{"I8"}},
		"that of the stay before":         {"b", []told{{3, 6}, {3, 10}}, nil, []string{"I8"}},
		"that of the next stay":           {"b", []told{{9, 6}}, nil, []string{"I6"}},
		"too high":                        {"a", []told{{2, 5}}, nil, []string{"I6"}},
		"not in, once removed":            {"b", []told{{3, 7}}, nil, []string{"I8"}},
		"not in, meanwhile":               {"b", []told{{3, 8}}, nil, []string{"I8"}},
		"a stranger":                      {"c", []told{{1, 10}}, nil, []string{"I8"}},
		"recalled, without content":       {"b", nil, []int64{4}, nil},
		"not recalled, without content":   {"b", nil, []int64{10}, []string{"I5"}},
		"not in the log, without content": {"b", nil, []int64{99}, []string{"I5"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, by := newFloors(), reader{c.user, c.user + "/d", 1}
			for _, x := range c.told {
				f.told(by, "c", x.floor, x.head)
			}
			for _, seq := range c.bare {
				f.stripped(by, "c", seq)
			}
			_, _, found := f.judge(h, h.stays())
			require.Equal(t, c.want, kindsOf(found), "%v", found)
		})
	}
	t.Run("without since_join there is one floor", func(t *testing.T) {
		t.Parallel()
		f := newFloors()
		f.told(reader{"b", "b/d", 1}, "c", 1, 2)
		f.told(reader{"b", "b/d", 1}, "c", 2, 2)
		h := logOf(founded("a", "b"), said(2, "a", "a.1", "x"))
		_, _, found := f.judge(h, h.stays())
		require.Equal(t, []string{"I6"}, kindsOf(found), "%v", found)
	})
}

// TestJudgePushes: an edit of what lies below the floor is pushed without content,
// and nothing else is.
func TestJudgePushes(t *testing.T) {
	t.Parallel()
	h := guarded()
	for name, c := range map[string]struct {
		peek peek
		want []string
	}{
		"below, without content":       {peek{5, 2, true}, nil},
		"below, with its content":      {peek{5, 2, false}, []string{"I8"}},
		"from there on":                {peek{6, 6, false}, nil},
		"from there on, without":       {peek{6, 6, true}, []string{"I5"}},
		"recalled":                     {peek{4, 4, true}, nil},
		"a posting, without":           {peek{10, 10, true}, []string{"I5"}},
		"to who is not in, said above": {peek{8, 2, false}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &stint{base: 3, first: 4, last: 6, peeks: []peek{c.peek}}
			x := record{user: "b", name: "b/d", stints: map[string][]*stint{"c": {s}}}
			_, found := x.judge(h, h.stays()["b"], func(int64) time.Time { return dawn() }, new(clock), time.Second)
			require.Equal(t, c.want, kindsOf(found), "%v", found)
		})
	}
}

// TestShown: what an answer shows is judged by the floor that it tells.
func TestShown(t *testing.T) {
	t.Parallel()
	bare := happened(5, edited, "a", "", map[string]any{"target_seq": 2})
	for name, c := range map[string]struct {
		floor int64
		shown event
		want  []string
	}{
		"above":                          {3, said(4, "a", "a.1", "x"), nil},
		"at the floor":                   {4, said(4, "a", "a.1", "x"), nil},
		"below":                          {5, said(4, "a", "a.1", "x"), []string{"I8"}},
		"an edit of what is below":       {3, changed(5, 2), []string{"I8"}},
		"an edit of what is below, bare": {3, bare, nil},
		"an edit of what is not":         {2, changed(5, 2), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRunner(&Options{Users: 1, Seed: 1})
			by := reader{"b", "b/d", r.epoch("e")}
			r.shown(by, "c", c.floor, 9, []event{c.shown})
			require.Equal(t, c.want, kindsOf(r.tally.report.Breaches))
			m := &listed{Seq: c.shown.Seq}
			r.showsView(by, &view{ConversationID: "c", FloorSeq: m.Seq + 1, HeadSeq: 9, LastMessage: m})
			r.showsList(by, "c", m.Seq+1, &list{Messages: []listed{*m}, Items: []listed{*m}})
			require.Len(t, r.tally.report.Breaches, len(c.want)+3)
		})
	}
	require.True(t, digestOf(&bare).same(digestOf(&event{ConversationID: "c", Seq: 5, Type: edited, Sender: "a", At: bare.At, Body: changed(5, 2).Body})))
}

// TestJudgeReach: nobody does anything to what lies below the floor.
func TestJudgeReach(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		does event
		want []string
	}{
		"a reaction to what is below":    {happened(11, reacted, "b", "", map[string]any{"target_seq": 8, "emoji": "x"}), []string{"I8"}},
		"a reply to what is below":       {happened(11, posted, "b", "b.1", map[string]any{"content": "x", "reply_to": 4}), []string{"I8"}},
		"a reaction to what is not":      {happened(11, reacted, "b", "", map[string]any{"target_seq": 10, "emoji": "x"}), nil},
		"a reaction of who has no floor": {happened(11, reacted, "a", "", map[string]any{"target_seq": 2, "emoji": "x"}), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := guarded()
			h.add(&c.does)
			require.Equal(t, c.want, kindsOf(h.judgeReach(h.stays())))
		})
	}
}

// TestJudgeList: a member lists all messages from its floor on, as they stand.
func TestJudgeList(t *testing.T) {
	t.Parallel()
	h := logOf(founded("a", "b"), said(2, "a", "a.1", "x"), said(3, "a", "a.2", "x"), changed(4, 3), happened(5, posted, "a", "a.3", map[string]any{"content": nil}),
		happened(6, recall, "a", "", map[string]any{"target_seq": 5}))
	says := func(seq int64, words string) listed {
		text, _ := json.Marshal(map[string]any{"text": words, "type": "text"})
		return listed{Seq: seq, Sender: "a", Content: text}
	}
	recalled := listed{Seq: 5, Sender: "a", Content: []byte("null"), Recalled: true}
	for name, c := range map[string]struct {
		all  []listed
		want []string
	}{
		"all":                        {[]listed{says(3, "y"), recalled}, nil},
		"one is missing":             {[]listed{recalled}, []string{"I2"}},
		"one is there twice":         {[]listed{says(3, "y"), says(3, "y"), recalled}, []string{"I2"}},
		"one as it was":              {[]listed{says(3, "x"), recalled}, []string{"I5"}},
		"one as it was, recalled":    {[]listed{says(3, "y"), says(5, "x")}, []string{"I5"}},
		"one that is not in the log": {[]listed{says(3, "y"), recalled, says(6, "x")}, []string{"I5"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := h.judgeList("b", 3, c.all)
			require.Equal(t, c.want, kindsOf(found), "%v", found)
		})
	}
}

// TestJudgeOpen: an open group shows to others what it may.
func TestJudgeOpen(t *testing.T) {
	t.Parallel()
	for body, want := range map[string][]string{
		`{"conversation_id":"c","title":null,"avatar_url":null,"member_count":3}`:              nil,
		`{"conversation_id":"c","title":null,"avatar_url":null,"member_count":3,"head_seq":1}`: {"I8"},
	} {
		r := newRunner(&Options{Users: 1, Seed: 1})
		r.judgeOpen(Breach{}, &reply{status: 200, body: []byte(body)})
		require.Equal(t, want, kindsOf(r.tally.report.Breaches))
	}
	r := newRunner(&Options{Users: 1, Seed: 1})
	r.judgeOpen(Breach{}, &reply{status: 404, code: "not_found"})
	require.Equal(t, []string{"membership"}, kindsOf(r.tally.report.Breaches))
}

// TestJudgeUnreadEarly: what was told on the way is judged by the log up to there.
func TestJudgeUnreadEarly(t *testing.T) {
	t.Parallel()
	h := guarded()
	for name, c := range map[string]struct {
		claim claim
		want  int
	}{
		"before it was read":           {claim{user: "b", head: 10, read: 9, unread: 1, early: true}, 0},
		"in the stay before":           {claim{user: "b", head: 5, read: 3, unread: 1, early: true}, 0},
		"it was recalled since":        {claim{user: "b", head: 5, read: 3, unread: 1, mention: 1, early: true}, 0},
		"more than was recalled since": {claim{user: "b", head: 5, read: 3, unread: 1, mention: 2, early: true}, 1},
		"counted from below the floor": {claim{user: "b", head: 10, read: 9, unread: 2, early: true}, 1},
		"read up to below the floor":   {claim{user: "b", head: 10, read: 7, unread: 1, early: true}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := *h
			found := judgeUnread(&h, h.stays(), []claim{c.claim}, map[string]readMark{"b": {told: 10, tried: 10}})
			require.Len(t, found, c.want, "%v", found)
		})
	}
}

// TestFloods: there is one at a time, it ends, and then there is none for a while.
func TestFloods(t *testing.T) {
	t.Parallel()
	var f floods
	now := dawn()
	require.Empty(t, f.now(now))
	require.True(t, f.begin("c", now))
	require.False(t, f.begin("d", now))
	f.add(floodBytes - 1)
	require.Equal(t, "c", f.now(now))
	f.add(1)
	require.Empty(t, f.now(now), "enough was sent")
	require.False(t, f.begin("d", now.Add(floodRest-1)))
	now = now.Add(floodRest)
	require.True(t, f.begin("d", now))
	require.Equal(t, "d", f.now(now.Add(floodTime)))
	require.Empty(t, f.now(now.Add(floodTime+1)), "it lasted long enough")
}

// TestGoes: the founder of a group with a floor stays, to read the log from 1 on.
func TestGoes(t *testing.T) {
	t.Parallel()
	r := newRooms()
	first := happened(1, created, "a", "", map[string]any{
		"kind": "group", "members": []map[string]any{{"user_id": "a", "role": "owner"}, {"user_id": "b", "role": "member"}},
		"settings": map[string]any{"history": "since_join", "joining": "open"},
	})
	b := first.parsed()
	r.see(&first, &b, 1)
	rng := &dice{rng: stream64(1, 0, 0)}
	now := r.look(r.byID["c"], []*user{{name: "a"}, {name: "b"}})
	require.Nil(t, now.goes("c", "a"))
	require.NotNil(t, now.goes("c", "b"))
	require.Nil(t, r.open("b", rng))
	require.NotNil(t, r.open("z", rng))
	require.NotNil(t, r.shifting("b", rng))
	require.Nil(t, r.has("z", "c"))
}
