package domain

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFieldIsAbsentOrNullOrAValue(t *testing.T) {
	type patch struct {
		Title    Field[string]          `json:"title,omitzero"`
		Metadata Field[json.RawMessage] `json:"metadata,omitzero"`
	}
	raw := json.RawMessage(`{"a":1}`)
	for text, want := range map[string]patch{
		`{}`:                               {},
		`{"title":null,"metadata":null}`:   {Title: Field[string]{Set: true}, Metadata: Field[json.RawMessage]{Set: true}},
		`{"title":"x","metadata":{"a":1}}`: {Title: Field[string]{true, new("x")}, Metadata: Field[json.RawMessage]{true, &raw}},
		`{"title":"","metadata":{"a":1}}`:  {Title: Field[string]{true, new("")}, Metadata: Field[json.RawMessage]{true, &raw}},
	} {
		var got patch
		require.NoError(t, json.Unmarshal([]byte(text), &got), text)
		require.Equal(t, want, got)
		back, err := json.Marshal(got)
		require.NoError(t, err)
		require.Equal(t, text, string(back))
	}
	var got patch
	require.Error(t, json.Unmarshal([]byte(`{"title":1}`), &got))
	require.Equal(t, "kept", Field[string]{Set: true}.Or("kept"))
	require.Equal(t, "x", Field[string]{Set: true, Value: new("x")}.Or("kept"))
}
