package page

// look is what sets one kind of page apart.
type look struct {
	Slug   string // prefix of its texts in the catalogues
	Body   string // template that fills the card
	Icon   string
	Tone   string // plain, good, bad or wait: colours the icon
	Action string // text of the link to ReturnTo; "" = no such link
}

// lookOf is the one place that lists every kind.
func lookOf(k Kind) (look, bool) {
	switch k {
	case Choose:
		return look{"choose", "choose", "shield", "plain", ""}, true
	case Code:
		return look{"code", "code", "shield", "plain", ""}, true
	case Push:
		return look{"push", "wait", "protect", "plain", ""}, true
	case Voice:
		return look{"voice", "wait", "voice", "plain", ""}, true
	case Mail:
		return look{"mail", "wait", "email", "plain", ""}, true
	case Temporary:
		return look{"temporary", "code", "temporary", "plain", ""}, true
	case Smart:
		return look{"smart", "choose", "shield", "plain", ""}, true
	case Name:
		return look{"name", "name", "person", "plain", ""}, true
	case Password:
		return look{"password", "password", "lock", "plain", ""}, true
	case Enroll:
		return look{"enroll", "choose", "shield", "plain", ""}, true
	case EnrollCode:
		return look{"enroll_code", "code", "shield", "plain", ""}, true
	case EnrollWait:
		return look{"enroll_wait", "wait", "protect", "plain", ""}, true
	case Sessions:
		return look{"sessions", "sessions", "browser", "plain", ""}, true
	case Continue:
		return look{"continue", "continue", "check", "good", ""}, true
	case Denied:
		return look{"denied", "outcome", "cross", "bad", "again"}, true
	case Expired:
		return look{"expired", "outcome", "clock", "wait", "again"}, true
	case Locked:
		return look{"locked", "outcome", "lock", "bad", "retry"}, true
	case Cancelled:
		return look{"cancelled", "outcome", "cross", "plain", "again"}, true
	case Verified:
		return look{"verified", "verified", "check", "good", "continue"}, true
	case SignedOut:
		return look{"signed_out", "outcome", "exit", "plain", "again"}, true
	case NoAccess:
		return look{"no_access", "outcome", "lock", "bad", ""}, true
	case NoDevice:
		return look{"no_device", "outcome", "protect", "wait", "retry"}, true
	case NoUser:
		return look{"no_user", "outcome", "person", "wait", "retry"}, true
	case Unavailable:
		return look{"unavailable", "outcome", "alert", "wait", "retry"}, true
	case Refused:
		return look{"refused", "outcome", "alert", "wait", "again"}, true
	case Stale:
		return look{"stale", "outcome", "clock", "wait", "again"}, true
	case BadRequest:
		return look{"bad_request", "outcome", "alert", "wait", "again"}, true
	case NotFound:
		return look{"not_found", "outcome", "alert", "wait", "site"}, true
	case MethodNotAllowed:
		return look{"method_not_allowed", "outcome", "alert", "wait", "again"}, true
	case Insecure:
		return look{"insecure", "outcome", "alert", "bad", ""}, true
	}
	return look{}, false
}

// key is where the catalogues tell of this problem.
func (p Problem) key() string {
	switch p {
	case EmptyCode:
		return "error.empty_code"
	case ShortCode:
		return "error.short_code"
	case LongCode:
		return "error.long_code"
	case MalformedCode:
		return "error.malformed_code"
	case WrongCode:
		return "error.wrong_code"
	case UsedCode:
		return "error.used_code"
	case TooManyTries:
		return "error.too_many_tries"
	case TooManySends:
		return "error.too_many_sends"
	case PushPending:
		return "error.push_pending"
	case PushLocked:
		return "error.push_locked"
	case AddressLimited:
		return "error.address_limited"
	case FactorGone:
		return "error.factor_gone"
	case NotPending:
		return "error.not_pending"
	case EmptyName:
		return "error.empty_name"
	case EmptyPassword:
		return "error.empty_password"
	case WrongPassword:
		return "error.wrong_password"
	case EnrolFailed:
		return "error.enrol_failed"
	case RegistrationExpired:
		return "error.registration_expired"
	}
	return "error.unknown"
}

// inCode says whether the problem is about the code that was typed.
func (p Problem) inCode() bool { return p >= EmptyCode && p <= UsedCode }

// waits says whether the page waits for something to happen elsewhere.
func (k Kind) waits() bool { return k == Push || k == Voice || k == Mail || k == EnrollWait }

// types says whether the page is there for typing a code.
func (k Kind) types() bool { return k == Code || k == Temporary || k == EnrollCode }

// enrolls says whether the factors of the page are yet to be set up.
func (k Kind) enrolls() bool { return k == Enroll || k == EnrollCode || k == EnrollWait }
