"""What every refusal of the command line looks like."""


def refused(result, *texts, code=2):
    """One line on stderr that holds `texts`, nothing on stdout, no traceback."""
    found, out, err = result
    assert found == code, err
    assert out == ""
    assert err.startswith("tokensphere: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    for text in texts:
        assert text in err
