package registry

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestStateTransitions(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	const grace = 7 * time.Second
	rest := now.Add(restPause)
	for name, test := range map[string]struct {
		from  state
		event event
		want  state
	}{
		"connecting, refreshed":       {state{phase: connecting}, refreshed, state{phase: serving, massChanges: 1}},
		"connecting, refresh failed":  {state{phase: connecting}, refreshFailed, state{phase: connecting, missing: true}},
		"connecting, call failed":     {state{phase: connecting}, callFailed, state{phase: connecting, restUntil: rest}},
		"connecting, left":            {state{phase: connecting}, left, state{phase: stopped}},
		"serving, refreshed":          {state{phase: serving}, refreshed, state{phase: serving}},
		"serving, refresh failed":     {state{phase: serving}, refreshFailed, state{phase: connecting, missing: true, massChanges: 1}},
		"serving, call failed":        {state{phase: serving}, callFailed, state{phase: failing, restUntil: rest}},
		"serving, left":               {state{phase: serving}, left, state{phase: stopped}},
		"failing, refreshed":          {state{phase: failing}, refreshed, state{phase: serving, massChanges: 1}},
		"failing, refresh failed":     {state{phase: failing}, refreshFailed, state{phase: connecting, missing: true, massChanges: 1}},
		"failing, call failed":        {state{phase: failing}, callFailed, state{phase: failing, restUntil: rest}},
		"failing, left":               {state{phase: failing}, left, state{phase: stopped}},
		"stopped, refreshed":          {state{phase: stopped}, refreshed, state{phase: stopped}},
		"stopped, refresh failed":     {state{phase: stopped}, refreshFailed, state{phase: stopped, missing: true}},
		"stopped, call failed":        {state{phase: stopped}, callFailed, state{phase: stopped, restUntil: rest}},
		"answered ends the rest":      {state{restUntil: rest}, answered, state{}},
		"lease taken":                 {state{phase: serving}, leaseTaken, state{phase: serving, missing: true}},
		"lease lost":                  {state{phase: serving}, leaseLost, state{phase: serving, graceUntil: now.Add(grace), massChanges: 1}},
		"Redis replaced":              {state{}, redisReplaced, state{missing: true, graceUntil: now.Add(grace), massChanges: 1}},
		"node died":                   {state{massChanges: 4}, nodeDied, state{massChanges: 5}},
		"sessions missing":            {state{}, sessionsMissing, state{missing: true}},
		"sessions missing in writing": {state{writing: true}, sessionsMissing, state{writing: true, missing: true}},
		"write began":                 {state{missing: true}, writeBegan, state{writing: true}},
		"write ended":                 {state{writing: true}, writeEnded, state{}},
		"write ended, but incomplete": {state{writing: true, missing: true}, writeEnded, state{missing: true}},
		"write failed":                {state{writing: true}, writeFailed, state{missing: true}},
	} {
		require.Equal(t, test.want, test.from.next(test.event, now, grace), name)
	}
}

func TestStateAnswers(t *testing.T) {
	for phase, ready := range map[phase]bool{connecting: false, serving: true, failing: true, stopped: false} {
		require.Equal(t, ready, state{phase: phase}.ready(), phase)
	}
	now := time.Now()
	failed := state{}.next(callFailed, now, 0)
	require.True(t, failed.resting(now.Add(restPause-1)))
	require.False(t, failed.resting(now.Add(restPause)))
}
