//@use tile/threads

//# Teams of warps: each takes its own KV tokens, and its warps divide the rows, and the dims of O if these are many.

constexpr u32 kTeamWarps = kRowWarps * kValueWarps;

typedef Threads<32 * kTeamWarps> Team;

u32 team() {
  return kTeams == 1 ? 0 : warp() / kTeamWarps;
}

Team team_threads() {
  return {team() * (32 * kTeamWarps), 1 + team()};
}

/* The warp's place in its team: which KV tokens it copies. */
u32 team_warp() {
  return warp() % kTeamWarps;
}

/* Which of the team's rows are its own, and which share of the dims of O. */
u32 row_warp() {
  return team_warp() / kValueWarps;
}

u32 value_share() {
  return team_warp() % kValueWarps;
}
