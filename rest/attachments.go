package rest

import (
	"encoding/hex"
	"net/http"

	"im/domain"
)

func (h *handler) createAttachment(w http.ResponseWriter, r *request) error {
	body := r.object("name", "size", "mime")
	n := domain.NewAttachment{Name: body.text("name", 255), MIME: body.text("mime", 0), SHA256: body.sha256("sha256")}
	if size := body.integer("size", 1); size != nil {
		n.Size = *size
	}
	if err := r.check(); err != nil {
		return err
	}
	up, err := h.Attachments.CreateAttachment(r.Context(), r.Actor, n, h.address(r.Request))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusCreated, up)
	return nil
}

// sha256 returns a member that is a SHA-256 checksum in hexadecimal digits; zero if there is
// none.
func (o object) sha256(name string) (sum [32]byte) {
	if !o.Has(name) {
		return sum
	}
	text := o.String(name)
	if n, err := hex.Decode(sum[:], []byte(text[:min(len(text), 2*len(sum))])); err != nil || n != len(sum) || len(text) != 2*len(sum) {
		o.Reject(name, "must be 64 hexadecimal digits")
	}
	return sum
}

// getAttachment redirects to the file, or answers with where it is.
func (h *handler) getAttachment(w http.ResponseWriter, r *request) error {
	id, err := domain.ParseAttachmentID("/attachment_id", pathValue(r.Request, "attachment_id"))
	r.refuse(err)
	redirect := r.flag("redirect") || !r.query.Has("redirect")
	if err := r.check(); err != nil {
		return err
	}
	link, err := h.Attachments.Attachment(r.Context(), r.Actor, id, h.address(r.Request))
	if err != nil {
		return err
	}
	if !redirect {
		writeJSON(w, http.StatusOK, link)
		return nil
	}
	w.Header().Set("Location", link.URL)
	w.WriteHeader(http.StatusFound)
	return nil
}
