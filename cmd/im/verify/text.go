package verify

import "encoding/json"

// Text is the report for people.
func (r *Report) Text() string { return "" }

// JSON is the report for programs.
func (r *Report) JSON() ([]byte, error) { return json.MarshalIndent(r, "", "  ") }
