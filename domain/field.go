package domain

import "encoding/json"

// Field is a member of a JSON object that may be absent: in a PATCH, absent keeps
// and null clears. Fields of this type need the JSON option omitzero.
type Field[T any] struct {
	Set   bool // false: absent, whatever Value is
	Value *T   // nil: null
}

// IsZero reports whether the field is absent; encoding/json omits it then.
func (f Field[T]) IsZero() bool { return !f.Set }

// Or returns the value, or null if there is none.
func (f Field[T]) Or(null T) T {
	if f.Value == nil {
		return null
	}
	return *f.Value
}

// MarshalJSON implements json.Marshaler.
func (f Field[T]) MarshalJSON() ([]byte, error) { return json.Marshal(f.Value) }

// UnmarshalJSON implements json.Unmarshaler. It is called for members that are
// there, null included.
func (f *Field[T]) UnmarshalJSON(text []byte) error {
	*f = Field[T]{Set: true}
	return json.Unmarshal(text, &f.Value)
}
