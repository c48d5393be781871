package verify

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sinceJoinLog returns a log with since_join: b was a member from 3 to 7 and is one again
// from 9 on. The message at 4 was recalled.
func sinceJoinLog() *history {
	first := newEvent(1, created, "a", "", map[string]any{
		"kind": "group", "members": []map[string]any{{"user_id": "a", "role": "owner"}}, "settings": map[string]any{"history": "since_join"},
	})
	joined := func(seq int64) event {
		return newEvent(seq, added, "b", "", map[string]any{"user_id": "b", "role": "member"})
	}
	return logOf(first, said(2, "a", "a.1", "x"), joined(3), newEvent(4, posted, "a", "a.2", map[string]any{"content": nil}),
		changed(5, 2), changed(6, 6), newEvent(7, removed, "a", "", map[string]any{"user_id": "b"}), said(8, "a", "a.3", "x"),
		joined(9), said(10, "a", "a.4", "x"))
}

// changed returns an edit.
func changed(seq, target int64) event {
	return newEvent(seq, edited, "a", "", map[string]any{"target_seq": target, "content": map[string]any{"type": "text", "text": "y"}})
}

func TestCheckFloors(t *testing.T) {
	t.Parallel()
	h := sinceJoinLog()
	type answer struct{ floor, head int64 }
	for name, c := range map[string]struct {
		user           string
		answers        []answer
		withoutContent []int64
		want           []string
	}{
		"each membership has its own":     {"b", []answer{{3, 3}, {3, 6}, {9, 9}, {9, 10}}, nil, nil},
		"the founder's":                   {"a", []answer{{1, 1}, {1, 10}}, nil, nil},
		"none":                            {"b", []answer{{1, 10}}, nil, []string{"I8"}},
		"that of the membership before":   {"b", []answer{{3, 6}, {3, 10}}, nil, []string{"I8"}},
		"that of the next membership":     {"b", []answer{{9, 6}}, nil, []string{"I6"}},
		"too high":                        {"a", []answer{{2, 5}}, nil, []string{"I6"}},
		"after the removal":               {"b", []answer{{3, 7}}, nil, []string{"I8"}},
		"between two memberships":         {"b", []answer{{3, 8}}, nil, []string{"I8"}},
		"a stranger":                      {"c", []answer{{1, 10}}, nil, []string{"I8"}},
		"recalled, without content":       {"b", nil, []int64{4}, nil},
		"not recalled, without content":   {"b", nil, []int64{10}, []string{"I5"}},
		"not in the log, without content": {"b", nil, []int64{99}, []string{"I5"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, by := newFloors(), reader{c.user, c.user + "/d", 1}
			for _, x := range c.answers {
				f.add(by, "c", x.floor, x.head)
			}
			for _, seq := range c.withoutContent {
				f.withoutContent(by, "c", seq)
			}
			_, _, found := f.check(h, h.memberships())
			require.Equal(t, c.want, kindsOf(found), "%v", found)
		})
	}
	t.Run("without since_join there is one floor", func(t *testing.T) {
		t.Parallel()
		f := newFloors()
		f.add(reader{"b", "b/d", 1}, "c", 1, 2)
		f.add(reader{"b", "b/d", 1}, "c", 2, 2)
		h := logOf(founded("a", "b"), said(2, "a", "a.1", "x"))
		_, _, found := f.check(h, h.memberships())
		require.Equal(t, []string{"I6"}, kindsOf(found), "%v", found)
	})
}

// TestCheckPushes checks that edits of messages below the floor, and nothing else,
// are pushed without content.
func TestCheckPushes(t *testing.T) {
	t.Parallel()
	h := sinceJoinLog()
	for name, c := range map[string]struct {
		check contentCheck
		want  []string
	}{
		"below, without content":          {contentCheck{5, 2, true}, nil},
		"below, with its content":         {contentCheck{5, 2, false}, []string{"I8"}},
		"from there on":                   {contentCheck{6, 6, false}, nil},
		"from there on, without":          {contentCheck{6, 6, true}, []string{"I5"}},
		"recalled":                        {contentCheck{4, 4, true}, nil},
		"a posting, without":              {contentCheck{10, 10, true}, []string{"I5"}},
		"to a non-member, reported above": {contentCheck{8, 2, false}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &pushSpan{base: 3, first: 4, last: 6, contentChecks: []contentCheck{c.check}}
			x := sessionRecord{user: "b", name: "b/d", spans: map[string][]*pushSpan{"c": {s}}}
			_, found := x.check(h, h.memberships()["b"], func(int64) time.Time { return logStart() }, new(clock), time.Second)
			require.Equal(t, c.want, kindsOf(found), "%v", found)
		})
	}
}

// TestShown checks what answers show against the floor that they name.
func TestShown(t *testing.T) {
	t.Parallel()
	withoutContent := newEvent(5, edited, "a", "", map[string]any{"target_seq": 2})
	for name, c := range map[string]struct {
		floor int64
		shown event
		want  []string
	}{
		"above":                    {3, said(4, "a", "a.1", "x"), nil},
		"at the floor":             {4, said(4, "a", "a.1", "x"), nil},
		"below":                    {5, said(4, "a", "a.1", "x"), []string{"I8"}},
		"an edit of what is below": {3, changed(5, 2), []string{"I8"}},
		"an edit of what is below, withoutContent": {3, withoutContent, nil},
		"an edit of what is not":                   {2, changed(5, 2), nil},
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
	require.True(t, digestOf(&withoutContent).same(digestOf(&event{ConversationID: "c", Seq: 5, Type: edited, Sender: "a", At: withoutContent.At, Body: changed(5, 2).Body})))
}

// TestCheckReach checks that changes of messages below the floor are breaches.
func TestCheckReach(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		does event
		want []string
	}{
		"a reaction to what is below":    {newEvent(11, reacted, "b", "", map[string]any{"target_seq": 8, "emoji": "x"}), []string{"I8"}},
		"a reply to what is below":       {newEvent(11, posted, "b", "b.1", map[string]any{"content": "x", "reply_to": 4}), []string{"I8"}},
		"a reaction to what is not":      {newEvent(11, reacted, "b", "", map[string]any{"target_seq": 10, "emoji": "x"}), nil},
		"a reaction of who has no floor": {newEvent(11, reacted, "a", "", map[string]any{"target_seq": 2, "emoji": "x"}), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := sinceJoinLog()
			h.add(&c.does)
			require.Equal(t, c.want, kindsOf(h.checkReach(h.memberships())))
		})
	}
}

// TestCheckList checks a member's list of all messages from the floor on.
func TestCheckList(t *testing.T) {
	t.Parallel()
	h := logOf(founded("a", "b"), said(2, "a", "a.1", "x"), said(3, "a", "a.2", "x"), changed(4, 3), newEvent(5, posted, "a", "a.3", map[string]any{"content": nil}),
		newEvent(6, recall, "a", "", map[string]any{"target_seq": 5}))
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
			found := h.compareList("b", 3, c.all)
			require.Equal(t, c.want, kindsOf(found), "%v", found)
		})
	}
}

// TestCheckOpen checks what an open group shows to non-members.
func TestCheckOpen(t *testing.T) {
	t.Parallel()
	for body, want := range map[string][]string{
		`{"conversation_id":"c","title":null,"avatar_url":null,"member_count":3}`:              nil,
		`{"conversation_id":"c","title":null,"avatar_url":null,"member_count":3,"head_seq":1}`: {"I8"},
	} {
		r := newRunner(&Options{Users: 1, Seed: 1})
		r.checkOpen(Breach{}, &reply{status: 200, body: []byte(body)})
		require.Equal(t, want, kindsOf(r.tally.report.Breaches))
	}
	r := newRunner(&Options{Users: 1, Seed: 1})
	r.checkOpen(Breach{}, &reply{status: 404, code: "not_found"})
	require.Equal(t, []string{"membership"}, kindsOf(r.tally.report.Breaches))
}

// TestCheckUnreadEarly checks unread counts of the run against the log up to their head.
func TestCheckUnreadEarly(t *testing.T) {
	t.Parallel()
	h := sinceJoinLog()
	for name, c := range map[string]struct {
		claim claim
		want  int
	}{
		"before it was read":           {claim{user: "b", head: 10, read: 9, unread: 1, early: true}, 0},
		"in the membership before":     {claim{user: "b", head: 5, read: 3, unread: 1, early: true}, 0},
		"it was recalled since":        {claim{user: "b", head: 5, read: 3, unread: 1, mention: 1, early: true}, 0},
		"more than was recalled since": {claim{user: "b", head: 5, read: 3, unread: 1, mention: 2, early: true}, 1},
		"counted from below the floor": {claim{user: "b", head: 10, read: 9, unread: 2, early: true}, 1},
		"read up to below the floor":   {claim{user: "b", head: 10, read: 7, unread: 1, early: true}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := *h
			found := checkUnread(&h, h.memberships(), []claim{c.claim}, map[string]readMark{"b": {answered: 10, tried: 10}})
			require.Len(t, found, c.want, "%v", found)
		})
	}
}

// TestFloods checks that one flood runs at a time, ends, and is followed by a pause.
func TestFloods(t *testing.T) {
	t.Parallel()
	var f floods
	now := logStart()
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

// TestLeaves checks that the founder of a group with a floor stays, to read the log
// from seq 1.
func TestLeaves(t *testing.T) {
	t.Parallel()
	r := newConversationSet()
	first := newEvent(1, created, "a", "", map[string]any{
		"kind": "group", "members": []map[string]any{{"user_id": "a", "role": "owner"}, {"user_id": "b", "role": "member"}},
		"settings": map[string]any{"history": "since_join", "joining": "open"},
	})
	b := first.parsed()
	r.observe(&first, &b, 1)
	rng := &lockedRand{rng: stream64(1, 0, 0)}
	now := r.snapshot(r.byID["c"], []*user{{name: "a"}, {name: "b"}})
	require.Nil(t, now.leaves("c", "a"))
	require.NotNil(t, now.leaves("c", "b"))
	require.Nil(t, r.chooseOpen("b", rng))
	require.NotNil(t, r.chooseOpen("z", rng))
	require.NotNil(t, r.chooseChanging("b", rng))
	require.Nil(t, r.ifMember("z", "c"))
}
