-- Run many appends, in order: one call for a whole flush, since calling costs more than appending.
-- Before this stand the scripts of all appends, each a function of its KEYS and ARGV in the table `run`.
-- KEYS: those of all appends, one after another.
-- ARGV: runs of the same script, in msgpack: its place in `run`, the number of keys of each, the ARGV of each.
-- Returns each append's own answer. An error is the answer of that append alone, unless it tells of the server's
-- condition: then it is the answer of all that follow, too, so that none of them overtakes.
local answers, keys, taken, stopped = {}, {}, 0, nil
for _, same in ipairs(cmsgpack.unpack(ARGV[1])) do
  local script, count, appends = run[same[1]], same[2], same[3]
  for i = 1, #appends do
    for k = 1, count do keys[k] = KEYS[taken + k] end
    taken = taken + count
    local done, answer = not stopped, stopped
    if done then done, answer = pcall(script, keys, appends[i]) end
    if not done and not stopped then
      -- Servers differ in what an error is here: a text, or a table with that text.
      local text = type(answer) == 'table' and answer.err or tostring(answer)
      answer = {err = text:find('^%u+ ') and text or 'ERR ' .. text}
      if not (answer.err:find('^WRONGTYPE') or answer.err:find('^ERR')) then stopped = answer end
    end
    answers[#answers + 1] = answer
  end
end
return answers
