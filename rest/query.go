package rest

import (
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/ogen-go/ogen/middleware"
	"github.com/ogen-go/ogen/openapi"

	"im/domain"
)

// strictQuery refuses what the generated code passes over: a query that cannot
// be read, parameters that the operation does not have, and text that no cursor
// or id can be.
func strictQuery(req middleware.Request, next middleware.Next) (middleware.Response, error) {
	query, err := url.ParseQuery(req.Raw.URL.RawQuery)
	if err != nil {
		return middleware.Response{}, domain.ErrInvalid.WithMessage("the query cannot be read")
	}
	for name, values := range query {
		if _, known := req.Params[middleware.ParameterKey{Name: name, In: openapi.LocationQuery}]; !known {
			return middleware.Response{}, domain.Invalid(parameter(name), "unknown parameter")
		}
		for _, v := range values {
			if !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
				return middleware.Response{}, domain.Invalid(parameter(name), "must be valid UTF-8 without U+0000")
			}
		}
	}
	return next(req)
}

// parameter is how complaints name a parameter: as a JSON pointer.
func parameter(name string) string {
	return "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(strings.ToValidUTF8(name, "\uFFFD"))
}
