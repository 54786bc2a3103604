"""The table of names in ARITHMETIC: every part is there by its name in the kernel and in the reference."""

from __future__ import annotations

import subprocess
import sys

import pytest
from conftest import ROOT

SAME_NAMES = """
squash clamp mix_dot mix_gradient mix_train length_bucket find_slot is_known common_length find_matches hash2 hash3
natural_log tree_stretch tree_top sum_tree gate_sigmoid recur norm_int8 square_int8 end_probability code_token_end
quantize_int8 quantize_int15 rmsnorm saturate shifted scale rotate cosine softmax_weights quantize_attention_weights
attend glu normalise apply_gains soft_cap token_weights lm_head power table_row set_contexts update_history update_word
update_line update_stride
"""


@pytest.fixture
def check_names(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import check_names

    return check_names


def test_all_names_are_defined() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "check_names.py")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_table_has_the_primitives_under_one_name(check_names) -> None:
    table = check_names.rows(check_names.DOCUMENT.read_text())
    same = {row.kernel for row in table if row.reference.rpartition(".")[2] == row.kernel}
    assert set(SAME_NAMES.split()) <= same and len(table) >= 60
    whats = [row.what for row in table]
    assert len(set(whats)) == len(whats)


def test_what_is_not_there_is_told(check_names) -> None:
    squash, *_ = [row for row in check_names.rows(check_names.DOCUMENT.read_text()) if row.kernel == "squash"]
    assert check_names.missing([squash]) == []
    for change in (
        {"kernel": "stretch"},
        {"kernel": "lmz_squash_table"},  # used there, but defined elsewhere
        {"file": "mixer.h"},
        {"file": "none.h"},
        {"reference": "squish"},
        {"reference": "Cell.squash"},
        {"module": "net"},  # which imports it
        {"module": "none"},
    ):
        assert len(check_names.missing([squash._replace(**change)])) == 1, change
    with pytest.raises(ValueError, match="no row"):
        check_names.rows("\n## Names\n\n| a | b | c |\n|---|---|---|\n| squash | squash | squash |\n")


def test_a_declaration_is_no_definition(check_names) -> None:
    text = "int declared(int);\nint defined(int n)\n{\n    return called(n);\n}\n"
    text += "static int on_a_line(int n) { return n; }\n#define MACRO(n) (n)\n"
    text += "static const int table[] = {\n/* int commented(int n) */\n"
    assert check_names.kernel_names(text) == {"defined", "on_a_line", "table"}
