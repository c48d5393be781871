package rest

import (
	"encoding/json"
	"strings"
	"testing"

	"im/domain"
)

const goodSum = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

// callAttachments makes calls of the operations on attachments that succeed.
func callAttachments(t *testing.T, s *testServer) {
	t.Helper()
	made := s.call(t, "alice", "POST", "/v1/attachments", `{"name":"a.png","size":3,"mime":"image/png","sha256":"`+goodSum+`"}`).want(t, 201)
	var up domain.AttachmentUpload
	if err := json.Unmarshal(made.body, &up); err != nil || up.Method != "PUT" {
		t.Errorf("%v: %s", err, made.body)
	}
	s.call(t, "alice", "GET", "/v1/attachments/"+attachmentID+"?redirect=false", "").want(t, 200)
	s.call(t, "alice", "GET", "/v1/attachments/"+attachmentID, "").want(t, 302)
	moved := s.call(t, "alice", "GET", "/v1/attachments/"+attachmentID+"?redirect=true", "").want(t, 302)
	if at := moved.Header.Get("Location"); !strings.HasSuffix(at, "/files/"+attachmentID) {
		t.Errorf("location: %s", at)
	}
}

func TestAttachmentsRefuse(t *testing.T) {
	s := newTestServer(t)
	for body, at := range map[string]string{
		`{"size":3,"mime":"image/png","sha256":"` + goodSum + `"}`:                                 "/name",
		`{"name":"a","mime":"image/png","sha256":"` + goodSum + `"}`:                               "/size",
		`{"name":"a","size":3,"sha256":"` + goodSum + `"}`:                                         "/mime",
		`{"name":"a","size":0,"mime":"image/png","sha256":"` + goodSum + `"}`:                      "/size",
		`{"name":"a","size":"3","mime":"image/png","sha256":"` + goodSum + `"}`:                    "/size",
		`{"name":"a","size":3,"mime":"image","sha256":"` + goodSum + `"}`:                          "/mime",
		`{"name":"a","size":3,"mime":"image/png","sha256":"` + goodSum[1:] + `"}`:                  "/sha256",
		`{"name":"a","size":3,"mime":"image/png","sha256":"x` + goodSum[1:] + `"}`:                 "/sha256",
		`{"name":"a","size":3,"mime":"image/png","sha256":"` + goodSum + `","path":"/etc/passwd"}`: "/path",
	} {
		s.call(t, "alice", "POST", "/v1/attachments", body).refused(t, domain.CodeInvalid, at)
	}
	s.call(t, "alice", "POST", "/v1/attachments", `{"name":"a","size":67108865,"mime":"image/png","sha256":"`+goodSum+`"}`).
		refused(t, domain.CodeTooLarge, "/size")
	s.call(t, "alice", "GET", "/v1/attachments/1", "").refused(t, domain.CodeInvalid, "/attachment_id")
	s.call(t, "alice", "GET", "/v1/attachments/"+attachmentID+"?redirect=perhaps", "").refused(t, domain.CodeInvalid, "/redirect")
	s.call(t, "bob", "GET", "/v1/attachments/"+attachmentID, "").refused(t, domain.CodeNotFound, "")
}
