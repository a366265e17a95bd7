//! Block modes of RustCrypto, over whole buffers.
//!
//! Promises: lengths of key, nonce and data are checked before anything is touched.
//! Standards: NIST SP 800-38A, 800-38D.

use aes::cipher::consts::{U12, U16};
use aes::cipher::{
    Block, BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt,
    BlockSizeUser, KeyInit, KeyIvInit,
};
use aes_gcm::AesGcm;
use aes_gcm::aead::AeadInOut;

use super::failed;
use crate::crypto::algorithm::{ContentCipher, Mode};
use crate::crypto::provider::CryptoError;

pub(super) fn check_cbc(cipher: ContentCipher, key: &[u8], iv: &[u8]) -> Result<(), CryptoError> {
    if cipher.mode() != Mode::Cbc {
        return Err(CryptoError::Unsupported("this cipher in CBC mode"));
    }
    if key.len() != cipher.key_length() {
        return Err(CryptoError::BadKey("the content key has the wrong length"));
    }
    if iv.len() != 16 {
        return Err(CryptoError::BadKey(
            "an initialisation vector has 16 octets",
        ));
    }
    Ok(())
}

pub(super) fn check_gcm(cipher: ContentCipher, key: &[u8]) -> Result<(), CryptoError> {
    if cipher.mode() != Mode::Gcm {
        return Err(CryptoError::Unsupported("this cipher in GCM mode"));
    }
    if key.len() != cipher.key_length() {
        return Err(CryptoError::BadKey("the content key has the wrong length"));
    }
    Ok(())
}

pub(super) fn encrypt_blocks<C>(key: &[u8], iv: &[u8], data: &mut [u8]) -> Result<(), CryptoError>
where
    C: BlockCipherEncrypt + KeyInit + BlockSizeUser<BlockSize = U16>,
{
    let mut mode = cbc::Encryptor::<C>::new_from_slices(key, iv).map_err(failed)?;
    let (blocks, rest) = Block::<C>::slice_as_chunks_mut(data);
    if !rest.is_empty() {
        return Err(CryptoError::Failed);
    }
    mode.encrypt_blocks(blocks);
    Ok(())
}

pub(super) fn decrypt_blocks<C>(key: &[u8], iv: &[u8], data: &mut [u8]) -> Result<(), CryptoError>
where
    C: BlockCipherDecrypt + KeyInit + BlockSizeUser<BlockSize = U16>,
{
    let mut mode = cbc::Decryptor::<C>::new_from_slices(key, iv).map_err(failed)?;
    let (blocks, rest) = Block::<C>::slice_as_chunks_mut(data);
    if !rest.is_empty() {
        return Err(CryptoError::Failed);
    }
    mode.decrypt_blocks(blocks);
    Ok(())
}

pub(super) fn open_blocks<C>(
    key: &[u8],
    nonce: [u8; 12],
    associated: &[u8],
    data: &mut [u8],
    tag: &[u8],
) -> Result<(), CryptoError>
where
    C: BlockCipherEncrypt + KeyInit + BlockSizeUser<BlockSize = U16>,
{
    let tag = tag.try_into().map_err(failed)?;
    AesGcm::<C, U12, U16>::new_from_slice(key)
        .map_err(failed)?
        .decrypt_inout_detached(&nonce.into(), associated, data.into(), tag)
        .map_err(failed)
}
