-- Publishes one message of which nothing is recorded.
--
-- ARGV  1 the command that pushes, 2 the list's key, 3 the form of the message (see push.lua),
--       4 the message
-- Gives '' or the error with which it was refused.
local command, key, form, message = unpack(ARGV)
local element, refusal = prepare(form, message)
return refusal or push(command, key, {element}) or ''
