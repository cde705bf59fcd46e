/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work that one thread at a time does, and none in vain: who comes while another one is at it
 * leaves word, and that one looks once more.
 *
 *	if (token_take(&token))
 *		do
 *			look and work
 *		while (!token_give_back(&token));
 *
 * Whoever has the token sees what those did who had it before, and, when it looks once more, what
 * was done by whoever left word.
 */
#ifndef BASE_TOKEN_H
#define BASE_TOKEN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum token_state {
	TOKEN_NOBODYS,
	TOKEN_TAKEN,
	TOKEN_AGAIN, /* and word was left */
};

struct token {
	_Atomic uint32_t state; /* enum token_state */
};

/* False: another thread has it, and will look once more. */
static inline bool
token_take(struct token *token)
{
	uint32_t state = TOKEN_NOBODYS;

	/* Pairs with token_give_back and token_drop. */
	while (!atomic_compare_exchange_weak_explicit(
		&token->state, &state, state == TOKEN_NOBODYS ? TOKEN_TAKEN : TOKEN_AGAIN,
		memory_order_acq_rel, memory_order_relaxed))
		;
	return state == TOKEN_NOBODYS;
}

/* The same without leaving word. */
static inline bool
token_take_if_nobodys(struct token *token)
{
	uint32_t state = TOKEN_NOBODYS;

	/* As in token_take. */
	return atomic_compare_exchange_strong_explicit(&token->state, &state, TOKEN_TAKEN,
						       memory_order_acq_rel, memory_order_relaxed);
}

/* False: this thread still has it, and has to look once more. */
static inline bool
token_give_back(struct token *token)
{
	uint32_t state = TOKEN_TAKEN;

	/* Each pairs with token_take, which has left word, or finds it free. */
	if (atomic_compare_exchange_strong_explicit(&token->state, &state, TOKEN_NOBODYS,
						    memory_order_acq_rel, memory_order_relaxed))
		return true;
	atomic_exchange_explicit(&token->state, TOKEN_TAKEN, memory_order_acq_rel);
	return false;
}

/* Whatever word was left: there is nothing to look at any more. */
static inline void
token_drop(struct token *token)
{
	/* Pairs with token_take. */
	atomic_store_explicit(&token->state, TOKEN_NOBODYS, memory_order_release);
}

#endif
