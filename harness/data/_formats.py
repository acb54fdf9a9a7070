"""Words that have the formats of JSON Schema, and words that have them not."""

from __future__ import annotations

# Of each format some words, the simplest first.
EXAMPLES = {
    "date": ("2000-01-01", "2024-02-29", "1970-01-01", "2099-12-31"),
    "time": ("00:00:00Z", "12:30:00+02:00", "23:59:59Z"),
    "date-time": ("2000-01-01T00:00:00Z", "2024-02-29T12:30:00+02:00", "1970-01-01T00:00:00Z"),
    "email": ("a@example.com", "b@example.com", "first.last@example.org"),
    "hostname": ("example.com", "a.example.com", "localhost"),
    "ipv4": ("127.0.0.1", "10.0.0.1", "192.0.2.255"),
    "ipv6": ("::1", "2001:db8::1"),
    "uri": ("https://example.com", "https://example.com/a?b=c", "urn:a:b"),
    "uri-reference": ("/a", "https://example.com"),
    "uuid": ("00000000-0000-4000-8000-000000000000", "00000000-0000-4000-8000-000000000001"),
    "regex": ("a", "^[a-z]+$"),
    "json-pointer": ("", "/a"),
    "duration": ("PT1S", "P1D"),
}

# And of each format that is checked some that nobody takes for it.
COUNTEREXAMPLES = {
    "date": ("2023-02-29", "yesterday"),
    "time": ("25:00:00Z", "noon"),
    "date-time": ("2000-01-01T00:00:00", "2023-02-29T00:00:00Z", "yesterday"),
    "email": ("a.example.com",),
    "hostname": ("-a-.example", "a b"),
    "ipv4": ("256.0.0.1", "localhost"),
    "ipv6": ("1:2:3", "localhost"),
    "uri": ("example.com", "a b"),
    "uuid": ("00000000-0000-4000-8000-00000000000g", "1"),
    "regex": ("(", "["),
}
