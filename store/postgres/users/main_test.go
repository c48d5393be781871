package users_test

import (
	"testing"

	"im/test/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }
