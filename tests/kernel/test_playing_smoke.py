from tests.kernel.playing import Play, document
def test_smoke():
    p = Play(document({"id":"a"},{"id":"b"}))
    p.ok("a", 1)
    p.ok("b", 2)
    assert p.output == {"b": 2}
    assert p.finished
