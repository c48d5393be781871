package doctor

import (
	"context"

	"im/attachment"
)

// attachments writes, reads and deletes a small file in the storage, and tries what the
// storage must refuse.
func (d *doctor) attachments(ctx context.Context) {
	o := d.o.Node.Rules.AttachmentOptions()
	f := Finding{
		Area: "attachments", Check: "storage", Status: OK, Saw: "a file can be written, read and deleted", Why: "users cannot send files, and files of recalled messages stay",
		Do: "correct IM_ATTACHMENTS and its keys, and the settings of the bucket (docs/attachments.md)",
	}
	if o.Address == "" {
		d.add(Finding{Area: f.Area, Check: f.Check, Status: Skipped, Saw: "IM_ATTACHMENTS is not set: users cannot send files"})
		return
	}
	ctx, cancel := context.WithTimeout(ctx, serviceTimeout)
	defer cancel()
	if err := attachment.Check(ctx, o); err != nil {
		f.Status, f.Saw = Failure, oneLine(err)
	}
	d.add(f)
}
