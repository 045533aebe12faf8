"""Find out where and why masks fail: events, backtracking, the analyses of the paper."""
