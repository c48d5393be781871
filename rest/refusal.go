package rest

import (
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/ogen-go/ogen/ogenerrors"
	"github.com/ogen-go/ogen/validate"

	"im/domain"
)

// refusal turns the generated code's complaint about a request into invalid
// with the fields at fault.
func refusal(err error) *domain.Error {
	if _, ok := errors.AsType[*validate.InvalidContentTypeError](err); ok {
		return domain.ErrInvalid.WithMessage("Content-Type must be application/json")
	}
	if errors.Is(err, validate.ErrBodyRequired) {
		return domain.ErrInvalid.WithMessage("a body is required")
	}
	if p, ok := errors.AsType[*ogenerrors.DecodeParamError](err); ok {
		return complaints(domain.ErrInvalid, parameter(p.Name), p.Err)
	}
	if _, ok := errors.AsType[*validate.Error](err); ok {
		return complaints(domain.ErrInvalid, "", err)
	}
	if _, ok := errors.AsType[*ogenerrors.DecodeBodyError](err); ok {
		pointer, reason := misread(err)
		return domain.Invalid(pointer, reason)
	}
	return domain.ErrInvalid.WithMessage("Content-Type must be application/json").WithCause(err)
}

// complaints adds to e what err says of the field at pointer, or of fields in it.
func complaints(e *domain.Error, pointer string, err error) *domain.Error {
	inside, ok := errors.AsType[*validate.Error](err)
	if !ok {
		return e.WithField(pointer, reason(err))
	}
	for _, f := range inside.Fields {
		name := strings.Trim(f.Name, "[]") // [3] is an element of an array
		e = complaints(e, pointer+parameter(name), f.Error)
	}
	return e
}

// reason says what a validator found, without the value itself.
func reason(err error) string {
	_, form := errors.AsType[*validate.NoRegexMatchError](err)
	_, short := errors.AsType[*validate.MinLengthError](err)
	_, long := errors.AsType[*validate.MaxLengthError](err)
	_, number := errors.AsType[*strconv.NumError](err)
	switch {
	case errors.Is(err, validate.ErrFieldRequired):
		return "is required"
	case form:
		return "is not of the required form"
	case short:
		return "is too short"
	case long:
		return "is too long"
	case number:
		return "must be an integer"
	}
	if bound := outOfRange.FindString(err.Error()); bound != "" {
		return "must not be " + bound
	}
	return "is not a valid value"
}

// The generated code tells where decoding failed in words only.
var (
	outOfRange = regexp.MustCompile(`(less|greater) than -?\d+$`)
	fieldPath  = regexp.MustCompile(`(decode|unexpected) field ("(?:[^"\\]|\\.)*")`)
)

// misread finds the field that could not be decoded.
func misread(err error) (pointer, reason string) {
	reason = "is of the wrong type"
	for _, step := range fieldPath.FindAllStringSubmatch(err.Error(), -1) {
		name, err := strconv.Unquote(step[2])
		if err != nil {
			break
		}
		pointer += parameter(name)
		if step[1] == "unexpected" {
			return pointer, "unknown field"
		}
	}
	return pointer, reason
}
