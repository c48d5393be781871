// Package settings reads settings from configuration files, and prepares their values
// for people: it suggests the name that was meant, and leaves secrets out.
//
// A setting has one name in three spellings: the variable IM_LOG_LEVEL, the flag
// --log-level, and the key log_level of a file.
package settings
