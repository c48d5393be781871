package domain

import (
	"encoding/json"
	"reflect"
	"testing"
)

func TestTextFields(t *testing.T) {
	for content, want := range map[string][]TextField{
		`{"type":"text","text":"Hi","name":"no field of it"}`:               {{"text", "Hi"}},
		`{"type":"file","url":"u","text":"caption","name":"a.pdf"}`:         {{"text", "caption"}, {"name", "a.pdf"}},
		`{"type":"image","url":"u"}`:                                        nil,
		`{"type":"custom","biz_type":"order","data":{"text":"x"},"text":1}`: nil,
		`{"type":"custom","biz_type":"order","data":1,"text":"x"}`:          nil,
		`{"type":"hologram","text":"x"}`:                                    nil,
		`null`:                                                              nil,
		`[]`:                                                                nil,
	} {
		if got := TextFields(json.RawMessage(content)); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v", content, got)
		}
	}
}
